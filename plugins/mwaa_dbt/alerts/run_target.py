"""In which dbt target a run works, as Airflow's context tells it: in a task's process and in the DAG processor.

Both get the form's values as ``params`` (airflow/sdk/execution_time/task_runner.py, ``get_template_context``). Where
the DAG processor gets no ``dag_run``, ``params`` are the form's defaults, or missing: nobody knows the run's target
then (airflow/dag_processing/processor.py, without ``context_from_server`` or ``last_ti``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mwaa_dbt import settings


def of_run(context: Mapping[str, Any]) -> str:
    """Return the target by which runs are told apart: the form's, else the default; empty: nobody knows it."""
    return "" if context.get("dag_run") is None else _given(context) or settings.target()


def of_task(task: Any, context: Mapping[str, Any]) -> str:
    """Return the target that a message about `task` names; empty where it isn't dbt's and the run names none."""
    if not of_run(context):
        return ""
    given, profile = _given(context), getattr(task, "profile_config", None)
    if profile is None:
        return given
    # As operators.py does it: an operator's own target gives way to one that isn't the default.
    return given if given not in ("", settings.target()) else str(profile.target_name)


def _given(context: Mapping[str, Any]) -> str:
    asked = context.get("params")
    if asked is None:
        asked = getattr(context.get("dag_run"), "conf", None) or {}
    return str(asked.get("target") or "")
