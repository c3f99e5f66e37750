"""Airflow in a test process: its own empty home, no examples, no connections but those a test sets."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

from mwaactl.local.layout import REPOSITORY


def environment(home: Path, dags: Path = REPOSITORY / "dags", dbt_root: Path = REPOSITORY / "dbt") -> dict[str, str]:
    """Return the environment variables of an Airflow that reads `dags` and knows nothing else."""
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'never-made.db'}",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        "AIRFLOW__COSMOS__ENABLE_TELEMETRY": "False",
        "AIRFLOW__MWAA_DBT__DBT_ROOT": str(dbt_root),
        "AIRFLOW__MWAA_DBT__WARM": "False",
        "DO_NOT_TRACK": "1",
    }


def prepare() -> None:
    """Set up this process. To be called before Airflow is imported for the first time."""
    if "airflow" in sys.modules and "MWAA_DBT_TEST_HOME" not in os.environ:
        raise RuntimeError("airflow was imported before its home was set")
    if "MWAA_DBT_TEST_HOME" in os.environ and Path(os.environ["MWAA_DBT_TEST_HOME"]).is_dir():
        return
    home = Path(tempfile.mkdtemp(prefix="airflow-home-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    for name in list(os.environ):
        if name.startswith(("AIRFLOW_", "AWS_", "MWAA")):
            del os.environ[name]
    os.environ.update(environment(home), MWAA_DBT_TEST_HOME=str(home))
