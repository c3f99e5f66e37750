"""Results for tests of reading, made by what makes the real ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from mwaa_dbt.history import record
from mwaa_dbt.history.place import Place
from mwaa_dbt.history.record import Try

START = datetime(2026, 11, 1, 6, tzinfo=UTC)


def tried(
    place: Place,
    node: str,
    begin: float,
    seconds: float = 10.0,
    status: str = "success",
    *,
    run: str = "r1",
    dag: str = "d",
    command: str = "run",
    about: str = "",
    depends_on: tuple[str, ...] = (),
    number: int = 1,
    day: datetime = START,
    **said: Any,
) -> tuple[str, list[dict[str, Any]]]:
    """Return key and results of a try of `node` that began `begin` seconds after `day` (the first of November)."""
    started = day + timedelta(seconds=begin)
    ended = started + timedelta(seconds=seconds)
    try_id = f"{dag}-{run}-{node}-{command}-{number}"
    facts = {
        "command": command,
        "dag_id": dag,
        "run_id": run,
        "run_type": "manual",
        "task_id": f"{record.name_of(node)}.{command}",
        "map_index": -1,
        "try_number": number,
        "about": about or node,
        "depends_on": list(depends_on),
        "target": "dev",
        "release": "7",
        "versions": {},
    }
    key = place.result(started, dag, try_id)
    one = {"unique_id": node, "status": status, "execution_time": seconds / 2, **said}
    return key, Try(key, try_id, started, facts).results([one], ended, ("", ""))
