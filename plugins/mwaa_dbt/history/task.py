"""From an operator and its context to a recording of the try."""

from __future__ import annotations

import functools
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mwaa_dbt import settings
from mwaa_dbt.compat import redact
from mwaa_dbt.history import files
from mwaa_dbt.history.record import Try
from mwaa_dbt.history.recording import Recording

if TYPE_CHECKING:
    from airflow.sdk import Context

    from mwaa_dbt.operators import PrebuiltVirtualenv

__all__ = ["Recording", "begin"]

#: What a result's versions name, of requirements-dbt.txt.
_PINNED = ("dbt-core", "dbt-duckdb", "dbt-snowflake", "dbt-bigquery", "dbt-redshift", "dbt-postgres")


def begin(operator: PrebuiltVirtualenv, context: Context) -> Recording | None:
    """Return the recording of the try that `operator` is about to make; None where no history is kept.

    Raises:
        ConfigurationError: if the setting can't be understood.
    """
    place = settings.history()
    ti = context["ti"]
    if place is None or getattr(ti, "id", None) is None:  # without an id of the try nothing could be told apart
        return None
    started = getattr(ti, "start_date", None) or datetime.now(UTC)
    try_id = f"{ti.id}-{ti.try_number}"
    project_dir = Path(operator.project_dir)
    about = (operator.extra_context.get("dbt_node_config") or {}) if operator.extra_context else {}
    dag_run = context.get("dag_run")
    logical_date = getattr(dag_run, "logical_date", None)

    def checksum(unique_id: str) -> str | None:
        if unique_id == about.get("unique_id"):
            package = unique_id.split(".")[1]
            return files.checksum(project_dir, {**about, "package_name": package})
        if unique_id.startswith("test.") and unique_id.count(".") == 2:  # generic tests end with a hash
            return files.checksum(project_dir, files.entry(project_dir, unique_id))
        return None

    facts: dict[str, Any] = {
        "project": operator.profile_config.profile_name,
        "target": operator.profile_config.target_name,
        "command": operator.base_cmd[0] if operator.base_cmd[0] != "source" else "source freshness",
        "dag_id": ti.dag_id,
        "run_id": ti.run_id,
        "run_type": str(getattr(getattr(dag_run, "run_type", None), "value", "") or "") or None,
        "logical_date": logical_date.isoformat() if logical_date else None,
        "task_id": ti.task_id,
        "map_index": getattr(ti, "map_index", -1),
        "try_number": ti.try_number,
        "about": about.get("unique_id"),
        "depends_on": list(about.get("depends_on") or ()),
        "file": about.get("original_file_path"),
        "environment": os.environ.get("AIRFLOW_ENV_NAME"),
        "release": None,
        "manifest": files.manifest_digest(project_dir),
        "versions": dict(_versions()),
    }
    key = place.result(started, ti.dag_id, try_id)
    tried = Try(key, try_id, started, facts, operator.node_ids, checksum)
    return Recording(place, tried, lambda text: str(redact(text)))


@functools.cache
def _versions() -> dict[str, str]:
    # Imported here: a DAG file that is parsed has no use for them.
    from airflow import __version__ as airflow
    from cosmos import __version__ as cosmos

    return {"airflow": airflow, "cosmos": cosmos, "python": platform.python_version(), **settings.pinned(_PINNED)}
