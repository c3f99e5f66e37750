"""Watching a DAG run to its end."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

from mwaactl.errors import INTERRUPTED, Problem
from mwaactl.local import progress
from mwaactl.local.api import Api, Unanswered

_T = TypeVar("_T")
ENDED = {"success", "failed"}
INTERVAL = 1.0
#: Seconds without an answer of Airflow after which nothing is waited for any more: while it is busy, while it is down.
BUSY, DOWN = 300.0, 30.0


@dataclass
class Run:
    """One DAG run and its task instances, as the API tells them."""

    dag_id: str
    run_id: str
    state: str
    tasks: list[dict[str, Any]]
    started: float
    ended: float | None = None

    @property
    def failed(self) -> list[dict[str, Any]]:
        """The task instances that failed themselves."""
        return [task for task in self.tasks if task["state"] == "failed"]

    @property
    def succeeded(self) -> bool:
        """Whether the run ended well, and nothing in it failed (in a DAG without the form, Airflow may not notice)."""
        return self.state == "success" and not self.failed

    def step(self) -> dict[str, Any]:
        """Return the run as a step for the progress display."""
        counts = Counter(task["state"] or "waiting" for task in self.tasks)
        done = sum(counts[state] for state in ("success", "failed", "skipped", "upstream_failed", "removed"))
        now = [task["task_id"] for task in self.tasks if task["state"] == "running"]
        words = f"{done}/{len(self.tasks)} tasks"
        words += f", {counts['failed']} failed" if counts["failed"] else ""
        words += f": {', '.join(now)}" if now else ""
        if self.state == "queued":
            words = "queued: waits for the scheduler, or for an earlier run of this DAG"
        return {
            "name": self.dag_id,
            "task": words,
            "started": self.started,
            "ended": self.ended,
            "failed": self.state == "failed",
        }


def _moment(text: str | None) -> float | None:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() if text else None


def moment(text: str) -> str:
    """Return a date or time with its zone, in ISO 8601; one without a zone is UTC. Raises Problem if it is neither."""
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise Problem(f"{text!r} is no date or time.", "Write it as 2013-01-02 or 2013-01-02T06:00:00Z.", 2) from error
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).isoformat()


def read(api: Api, dag_id: str, run_id: str) -> Run:
    """Return a run as it is now."""
    path = f"/dags/{quote(dag_id)}/dagRuns/{quote(run_id, safe='')}"
    run = api.get(path)
    tasks = api.all(f"{path}/taskInstances", "task_instances")
    tasks.sort(key=lambda task: (task["start_date"] or "9", task["task_id"]))
    started = _moment(run["start_date"]) or _moment(run["queued_at"]) or time.time()
    return Run(dag_id, run_id, run["state"], tasks, started, _moment(run["end_date"]))


def follow(api: Api, dag_id: str, run_id: str, limit: float = 3600) -> Run:
    """Show a run's progress until it has ended, and return it. Raises Problem after `limit` seconds, or on Ctrl-C."""
    try:
        return _follow(api, dag_id, run_id, limit)
    except KeyboardInterrupt:
        where = f"{api.url}/dags/{quote(dag_id)}/runs/{quote(run_id)}"
        raise Problem(f"Interrupted; {dag_id} goes on: {where}", "To end it: `make down`.", INTERRUPTED) from None


class _Patience:
    """Asks Airflow again where it gave no answer: it may be busy for a while, and a run goes on meanwhile."""

    def __init__(self) -> None:
        self._answered = time.monotonic()

    def ask(self, question: Callable[[], _T]) -> _T | None:
        """Return the answer to `question`; None: there was none now. Raises Unanswered if that goes on for too long."""
        try:
            answer = question()
        except Unanswered as error:
            if time.monotonic() - self._answered > (DOWN if error.refused else BUSY):
                raise
            return None
        self._answered = time.monotonic()
        return answer


def _follow(api: Api, dag_id: str, run_id: str, limit: float) -> Run:
    deadline = time.monotonic() + limit
    patience = _Patience()
    with progress.progress() as display:
        while True:
            run = patience.ask(lambda: read(api, dag_id, run_id))
            if run is not None:
                display.show([run.step()])
            if run is not None and run.state in ENDED:
                if not run.tasks:
                    raise Problem(
                        f"{dag_id} {run_id} ended without any task: its date lies outside the DAG's dates.",
                        "Choose a date between the DAG's start_date and end_date.",
                    )
                return run
            if time.monotonic() > deadline:
                raise Problem(f"{dag_id} {run_id} has not ended after {limit:.0f} s.", f"Look at it: {api.url}")
            time.sleep(INTERVAL)


def wait_for_run(
    api: Api, dag_id: str, after: float, limit: float, of_type: Callable[[str], bool] = lambda _: True
) -> str | None:
    """Return the id of the first run of `dag_id` after the moment `after`; None if none came within `limit` seconds."""
    deadline = time.monotonic() + limit
    patience = _Patience()
    path = f"/dags/{quote(dag_id)}/dagRuns"
    while time.monotonic() < deadline:
        answer = patience.ask(lambda: api.get(path, order_by="-run_after", limit=20)) or {"dag_runs": []}
        new = [
            run for run in answer["dag_runs"] if (_moment(run["queued_at"]) or 0) >= after and of_type(run["run_type"])
        ]
        if new:
            return str(new[-1]["dag_run_id"])
        time.sleep(0.5)
    return None


def log_lines(api: Api, run: Run, task: dict[str, Any], last: int = 12) -> list[str]:
    """Return what a task's log says about its failure: its error records, else its last lines."""
    path = f"/dags/{quote(run.dag_id)}/dagRuns/{quote(run.run_id, safe='')}/taskInstances/{quote(task['task_id'])}"
    content = api.get(f"{path}/logs/{task['try_number'] or 1}", map_index=task["map_index"], full_content=True)[
        "content"
    ]
    records: list[dict[str, Any]] = [one if isinstance(one, dict) else {"event": str(one)} for one in content]
    errors = [record for record in records if record.get("level") in ("error", "critical")]
    lines: list[str] = []
    for record in errors or records:
        lines += str(record.get("event", "")).splitlines()
        for detail in record.get("error_detail") or ():
            lines.append(f"{detail.get('exc_type')}: {detail.get('exc_value')}")
    return [line for text in lines for line in text.splitlines() if line.strip()][-last:]
