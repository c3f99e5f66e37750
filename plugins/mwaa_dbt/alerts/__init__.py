"""Alerts worth reading: one Slack thread per DAG run, with dbt's own words, for whom they concern.

What DAG files use; docs/decisions/alerts.md says how it works. Light to import: everything heavy is imported when
something has failed, and mwaactl checks a project's silences and owners without Airflow.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context

    from mwaa_dbt.results import Outcome

log = logging.getLogger(__name__)


def alerting_defaults(**overrides: Any) -> dict[str, Any]:
    """Return default arguments for a DAG's tasks: retries from the settings, and an alert when a task has failed."""
    from mwaa_dbt import settings

    return {
        "owner": "data",
        "retries": settings.retries(),
        "retry_delay": settings.retry_delay(),
        "on_failure_callback": notify_failure,
        **overrides,
    }


def run_alerts(summary: bool = False) -> dict[str, Any]:
    """Return the arguments of a DAG whose runs say how they ended: ``DAG(..., **run_alerts())``.

    A run that succeeds says nothing unless there is something to say; with `summary` it does: counts, how long it
    took, target, release, what it published. A failed one says that, too.
    """
    tell = notify_run_summary if summary else notify_run_end
    return {"on_failure_callback": tell, "on_success_callback": tell}


def notify_failure(context: Context) -> None:
    """Tell of the failed task of `context`: a task's ``on_failure_callback``.

    Runs in the task's process after its state is settled, or in the DAG processor for a task that was killed or lost
    (airflow/dag_processing/processor.py, ``_execute_task_callbacks``). Raises nothing.
    """
    _guarded("failure", context)


def notify_run_end(context: Context) -> None:
    """Tell how the run of `context` ended: a DAG's ``on_failure_callback`` and ``on_success_callback``.

    Runs in the DAG processor (airflow/dag_processing/processor.py, ``_execute_dag_callbacks``). Raises nothing.
    """
    _guarded("run_end", context)


def notify_run_summary(context: Context) -> None:
    """Tell how the run of `context` ended, as `notify_run_end` does, with a summary in any case."""
    _guarded("run_summary", context)


def _guarded(what: str, context: Context) -> None:
    try:
        if _wanted():
            from mwaa_dbt.alerts import failure, run_end

            tell = {"failure": failure.tell, "run_end": run_end.tell, "run_summary": run_end.tell_summary}
            tell[what](context)
    except Exception:  # whatever happens here must not change a task's state
        log.exception("An alert could not be made. Nothing is changed by that but what people know.")


def note_warnings(context: Context, outcome: Outcome) -> None:
    """Keep the warnings of a task that succeeded for the run's last message. Raises nothing."""
    try:
        if any(node.warned for node in outcome.nodes) and _wanted():
            from mwaa_dbt.alerts import warnings

            warnings.keep(context, outcome)
    except Exception:  # as above
        log.exception("The warnings of this task could not be kept for the run's last message.")


def _wanted() -> bool:
    from mwaa_dbt import settings

    return bool(settings.slack_conn_id() or settings.mail_to())
