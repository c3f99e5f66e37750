"""A DAG run through InvokeRestApi: started, and followed to its end."""

import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

from mwaactl.environments import Environment
from mwaactl.errors import Problem
from mwaactl.release import calls
from mwaactl.release.rest import PAGE, Rest, RestError
from mwaactl.release.steps import Steps

_T = TypeVar("_T")

ENDED = ("success", "failed")
_DONE = ("success", "failed", "skipped", "upstream_failed", "removed")
INTERVAL = 10.0
#: Seconds for which the API may be silent while a run is followed: web servers are replaced in an update.
SILENCE = 300.0


@dataclass(frozen=True)
class Run:
    """One run as it is now: its state, when it started and ended (ISO 8601), its task instances."""

    dag_id: str
    run_id: str
    state: str
    started: str | None
    ended: str | None
    tasks: tuple[dict[str, Any], ...]

    @property
    def failed(self) -> list[str]:
        """The tasks that failed themselves."""
        return sorted(_name(task) for task in self.tasks if task["state"] == "failed")

    @property
    def succeeded(self) -> bool:
        """Whether the run ended well, with nothing failed in it."""
        return self.state == "success" and not self.failed

    def words(self) -> str:
        """Return where the run is, in one line."""
        counts = Counter(task["state"] or "waiting" for task in self.tasks)
        done = sum(counts[state] for state in _DONE)
        now = [_name(task) for task in self.tasks if task["state"] == "running"]
        text = f"{self.state}, {done}/{len(self.tasks)} tasks"
        text += f", {counts['failed']} failed" if counts["failed"] else ""
        return text + (f": {', '.join(now[:3])}" if now else "")

    def as_data(self) -> dict[str, Any]:
        """Return the run as plain data."""
        keys = ("task_id", "map_index", "state", "duration", "try_number", "start_date", "end_date", "operator")
        return {
            "dag_id": self.dag_id,
            "run_id": self.run_id,
            "state": self.state,
            "start_date": self.started,
            "end_date": self.ended,
            "tasks": [{key: task.get(key) for key in keys} for task in self.tasks],
        }


def _name(task: dict[str, Any]) -> str:
    index = task.get("map_index", -1)
    return str(task["task_id"]) + (f"[{index}]" if index not in (None, -1) else "")


def trigger(
    environment: Environment,
    dag_id: str,
    conf: dict[str, Any],
    unpause: bool = False,
    logical_date: str | None = None,
    interval: tuple[str, str] | None = None,
) -> str:
    """Start a run of `dag_id` with the parameters `conf` and return the run's id.

    `interval` is the data interval; it and `logical_date` are ISO 8601 with a zone.

    Raises Problem when there is no such DAG, when it is paused (its run would wait for ever) and `unpause` isn't set,
    when Airflow refuses the parameters, or when it gave no answer: then the message has the id of the run, which may
    have started.
    """
    rest = Rest(environment)
    path = ready(rest, dag_id, unpause)
    # Told beforehand, so that a request which is sent again after a lost answer starts no second run.
    run_id = f"mwaactl__{datetime.now(UTC):%Y%m%dT%H%M%SZ}__{secrets.token_hex(3)}"
    body = {"dag_run_id": run_id, "logical_date": logical_date, "conf": conf}
    if interval:
        body |= {"data_interval_start": interval[0], "data_interval_end": interval[1]}
        body["logical_date"] = logical_date or interval[0]
    try:
        _post(rest, f"{path}/dagRuns", body, again=bool(interval and not logical_date))
    except Problem as error:
        if isinstance(error, RestError) and not error.temporary:
            raise Problem(f"{dag_id} refused the run: {error.what}", "Correct the parameters (--conf).") from error
        if not isinstance(error, RestError | calls.Unreachable):
            raise
        raise Problem(
            f"Nobody knows whether the run {run_id} of {dag_id} has started: {error.what}",
            f"Look before you start another: `mwaactl wait {dag_id} {run_id} -e {environment.name}`.",
        ) from error
    return run_id


def _post(rest: Rest, path: str, body: dict[str, Any], again: bool) -> None:
    """Start the run that `body` describes; where its date is taken and it may run `again`, with another one.

    Airflow refuses two runs of one logical date: the interval is run again under another moment of the same day.
    """
    try:
        rest.call("POST", path, body=body)
    except RestError as error:
        if error.status != 409:
            raise
        if rest.call("GET", path, {"run_id_pattern": body["dag_run_id"], "limit": 1})["dag_runs"]:
            return  # sent twice, after a lost answer
        if not again:
            raise
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        first = datetime.fromisoformat(body["logical_date"].replace("Z", "+00:00"))
        moment = (first + (datetime.now(UTC) - midnight)).isoformat()
        rest.call("POST", path, body={**body, "logical_date": moment})


def ready(rest: Rest, dag_id: str, unpause: bool = False) -> str:
    """Return the API's path of `dag_id`, whose runs can start.

    Raises Problem when there is no such DAG, or when it is paused and `unpause` isn't set.
    """
    path, dag = path_of(dag_id), described(rest, dag_id)
    if dag.get("is_paused"):
        if not unpause:
            raise Problem(f"{dag_id} is paused: its run would wait.", "Unpause it in Airflow, or add --unpause.")
        rest.call("PATCH", path, {"update_mask": "is_paused"}, {"is_paused": False})
    return path


def path_of(dag_id: str) -> str:
    """Return the API's path of `dag_id`."""
    return f"/dags/{quote(dag_id, safe='')}"


def described(rest: Rest, dag_id: str) -> dict[str, Any]:
    """Return what Airflow says of `dag_id`, paused or not. Raises Problem when there is no such DAG."""
    try:
        found: dict[str, Any] = rest.call("GET", path_of(dag_id))
    except RestError as error:
        if error.status != 404:
            raise
        known = ", ".join(sorted(one["dag_id"] for one in rest.all("/dags", "dags"))) or "none"
        raise Problem(f"{rest.environment.name} has no DAG {dag_id}.", f"The DAGs are: {known}.") from error
    return found


def listed(rest: Rest, **wanted: Any) -> list[dict[str, Any]]:
    """Return the runs that `wanted` (fields of Airflow's `dagRuns/list`) asks for, the latest first."""
    found: list[dict[str, Any]] = []
    while True:
        body = {**wanted, "order_by": "-run_after", "page_offset": len(found), "page_limit": PAGE}
        page = rest.call("POST", "/dags/~/dagRuns/list", body=body)
        found += page["dag_runs"]
        if not page["dag_runs"] or len(found) >= page["total_entries"]:
            return found


def read(rest: Rest, dag_id: str, run_id: str) -> Run:
    """Return a run as it is now. Raises Problem when there is none."""
    # A run's own path, /dags/DAG/dagRuns/RUN, is mostly longer than what MWAA passes on: asked for by collections.
    found = rest.call("POST", "/dags/~/dagRuns/list", body={"dag_ids": [dag_id], "order_by": "-run_after"})
    runs = found["dag_runs"]
    while not (mine := [run for run in runs if run["dag_run_id"] == run_id]) and len(runs) < found["total_entries"]:
        body = {"dag_ids": [dag_id], "order_by": "-run_after", "page_offset": len(runs)}
        page = rest.call("POST", "/dags/~/dagRuns/list", body=body)["dag_runs"]
        if not page:
            break
        runs += page
    if not mine:
        raise Problem(f"{dag_id} has no run {run_id}.", "Copy the run's id from the Airflow UI.")
    run = mine[0]
    return Run(dag_id, run_id, run["state"], run.get("start_date"), run.get("end_date"), _tasks(rest, dag_id, run_id))


def _tasks(rest: Rest, dag_id: str, run_id: str) -> tuple[dict[str, Any], ...]:
    found: list[dict[str, Any]] = []
    while True:
        body = {"dag_ids": [dag_id], "dag_run_ids": [run_id], "page_offset": len(found), "page_limit": PAGE}
        page = rest.call("POST", "/dags/~/dagRuns/~/taskInstances/list", body=body)
        found += page["task_instances"]
        if not page["task_instances"] or len(found) >= page["total_entries"]:
            return tuple(sorted(found, key=lambda task: (task.get("start_date") or "9", task["task_id"])))


def wait(
    environment: Environment,
    dag_id: str,
    run_id: str,
    steps: Steps,
    limit: float,
    interval: float | None = None,
) -> Run:
    """Return the run when it has ended. Raises Problem after `limit` seconds, or when the API is silent for long."""
    rest = Rest(environment)
    every = interval if interval is not None else (1.0 if environment.is_local else INTERVAL)
    deadline = time.monotonic() + limit
    with steps.step(dag_id) as told:
        while True:
            run = patiently(lambda: read(rest, dag_id, run_id), told, every)
            told(run.words())
            if run.state in ENDED:
                return run
            if time.monotonic() > deadline:
                raise Problem(
                    f"{dag_id} {run_id} has not ended after {limit:.0f} s: {run.words()}.",
                    f"It goes on. To follow it: `mwaactl wait {dag_id} {run_id} -e {environment.name}`.",
                )
            time.sleep(every)


def patiently(ask: Callable[[], _T], told: Callable[[str], None], interval: float) -> _T:
    """Return what `ask` returns; web servers may be silent for a while."""
    began = time.monotonic()
    while True:
        try:
            return ask()
        except RestError as error:
            if not error.temporary or time.monotonic() - began > SILENCE:
                raise
            told(f"Airflow's API does not answer: {error.what}")
            time.sleep(interval)
