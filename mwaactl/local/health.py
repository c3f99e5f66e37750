"""Is Airflow up, and does it show every DAG?"""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from mwaactl.errors import Problem
from mwaactl.local.api import Api, ApiError

CONFLICT = 409  # HTTP
HEARTBEATS = {
    "scheduler": "latest_scheduler_heartbeat",
    "triggerer": "latest_triggerer_heartbeat",
    "dag_processor": "latest_dag_processor_heartbeat",
}


def _after(stamp: str | None, moment: float) -> bool:
    return bool(stamp) and datetime.fromisoformat(str(stamp).replace("Z", "+00:00")).timestamp() >= moment


def unhealthy(api: Api, since: float) -> list[str]:
    """Return the components that have given no sign of life after `since`; all of them while the API doesn't answer."""
    try:
        health = api.get("/monitor/health")
    except Problem:
        return ["api-server"]
    # A heartbeat from before `since` is the previous process's: Airflow calls it healthy for 30 s more.
    return [
        name
        for name, heartbeat in HEARTBEATS.items()
        if health[name].get("status") != "healthy" or not _after(health[name].get(heartbeat), since)
    ]


def import_errors(api: Api) -> list[dict[str, Any]]:
    """Return the files that Airflow could not import, each with its `filename` and `stack_trace`."""
    return [
        {"filename": entry["filename"], "stack_trace": entry["stack_trace"], "timestamp": entry["timestamp"]}
        for entry in api.all("/importErrors", "import_errors")
    ]


def reparse(api: Api) -> None:
    """Ask for each known DAG file to be parsed now, not at its next turn: what it reads (a manifest) has changed.

    Those of DAGs that are stale as well: their files couldn't be imported, and may be by now.
    """
    for token in {dag["file_token"] for dag in api.all("/dags", "dags", exclude_stale=False)}:
        try:
            api.put(f"/parseDagFile/{token}")
        except ApiError as error:
            if error.status != CONFLICT:  # somebody has asked already, and it wasn't done yet
                raise


def wait(what: Callable[[], object], limit: float, tick: Callable[[], None]) -> object:
    """Call `what` until it returns something empty or `limit` seconds are over; return its last answer.

    `tick` is called in between and may raise to end the waiting.
    """
    deadline = time.monotonic() + limit
    while True:
        answer = what()
        if not answer or time.monotonic() > deadline:
            return answer
        tick()
        time.sleep(0.25)
