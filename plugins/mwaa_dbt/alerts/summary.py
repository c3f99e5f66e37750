"""What a run that tells of its success, too, says: how long, in which target, which release, what it published."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from mwaa_dbt import settings, state
from mwaa_dbt.alerts.ended_run import EndedRun

log = logging.getLogger(__name__)


def facts(run: EndedRun, context: Mapping[str, Any]) -> list[str]:
    """Return the summary's lines; what Airflow or the bucket doesn't say is left out."""
    dag_run = context.get("dag_run")
    took, release = _took(dag_run), _release()
    lines = [
        f"Took {took}" if took else "",
        f"Target {run.target}" if run.target else "",
        f"Release {release}" if release else "",
    ]
    publishers = {task.task_id: task.publishes for task in run.dag.tasks if getattr(task, "publishes", "")}
    if published := [what for name, what in publishers.items() if run.states.get(name) == "success"]:
        lines.append(f"Published: {', '.join(published)}")
    if kept := [what for name, what in publishers.items() if run.states.get(name) != "success"]:
        lines.append(f"Not published: {', '.join(kept)}")
    return lines


def _took(dag_run: Any) -> str:
    start = getattr(dag_run, "start_date", None)
    if start is None:
        return ""
    end = getattr(dag_run, "end_date", None) or datetime.now(tz=UTC)
    return str(timedelta(seconds=round((end - start).total_seconds())))


def _release() -> str:
    import boto3

    try:
        # Where the pointer lies depends on neither project nor target.
        place = state.Place(settings.bucket(), "any", "any", settings.bucket_prefix())
        return state.released(boto3.client("s3"), place) or ""
    except Exception as error:  # the summary goes out without it
        log.warning("The release can't be told: %s", error)
        return ""
