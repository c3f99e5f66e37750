"""Imports that every task and every parse of a DAG file would make again, made once by the process that forks them.

A Celery worker, the LocalExecutor's scheduler and the DAG processor fork a process per task or per file
(airflow/sdk/execution_time/supervisor.py, `WatchedSubprocess.start`; airflow/dag_processing/processor.py). What is
imported before the fork costs neither time nor, as pages are shared, memory afterwards. plugins/worker_plugin.py calls
this while Airflow itself is imported, where `core.lazy_load_plugins` is False.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Sequence
from pathlib import Path

log = logging.getLogger(__name__)

#: Commands of `airflow` whose processes fork.
FORKING = ("celery", "scheduler", "dag-processor")
#: What a task of this library imports between its fork and its end; each brings along what it needs itself.
MODULES = (
    "mwaa_dbt.project",
    "mwaa_dbt.alerts",
    "mwaa_dbt.exclusion.tasks",
    "mwaa_dbt.history.housekeeping",
    "mwaa_dbt.history.recording",
    "mwaa_dbt.history.task",
    "mwaa_dbt.load",
    "mwaa_dbt.outcome",
    "mwaa_dbt.production",
    "mwaa_dbt.secrets_manager",
    "mwaa_dbt.warm.client",
    "cosmos.operators.virtualenv",
    "cosmos.profiles",
    "airflow.providers.amazon.aws.hooks.base_aws",
    "airflow.providers.amazon.aws.secrets.secrets_manager",
    "airflow.providers.standard.utils.python_virtualenv",
    "airflow.sdk.definitions.asset.metadata",
    "airflow.timetables.assets",
    "airflow.timetables.trigger",
    "boto3",
    "s3transfer.manager",
    "requests",
)


def forks(argv: Sequence[str]) -> bool:
    """Say whether the process with this command line forks tasks or parses of DAG files."""
    return len(argv) > 1 and Path(argv[0]).name == "airflow" and argv[1] in FORKING


def load() -> None:
    """Import `MODULES`. What can't be imported is logged: the worker comes up, and each task says what it misses."""
    for name in MODULES:
        try:
            importlib.import_module(name)
        except Exception as error:
            log.warning("%s can't be imported ahead of tasks: %s: %s", name, type(error).__name__, error)
