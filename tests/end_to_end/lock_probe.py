"""Two DAGs with one lock, whose work notes when it works."""

import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mwaactl.errors import Problem
from mwaactl.local import follow
from mwaactl.local.api import ApiError
from tests.end_to_end.support import states, until
from tests.local_environment import LocalEnvironment

LEFT, RIGHT = "probe_left", "probe_right"
WAIT = "wait_for_turn"
#: Two DAGs whose work says five times a second that it goes on.
PROBE = """
import os, time
from airflow.sdk import DAG, task
from mwaa_dbt import Guard, Outcome, WaitForTurn, alerting_defaults

for name in ("left", "right"):
    with DAG(f"probe_{name}", schedule=None, max_active_runs=2, default_args={"pre_execute": Guard("probe")}):

        @task
        def work(params=None, dag_run=None):
            until = time.time() + dag_run.conf.get("seconds", 1)
            while time.time() < until:
                with open("TICKS", "a") as ticks:
                    ticks.write(f"{time.time()} {dag_run.dag_id} {dag_run.run_id} {os.getpid()}\\n")
                time.sleep(0.2)

        WaitForTurn(task_id="wait_for_turn", lock="probe") >> work() >> Outcome(task_id="outcome", lock="probe")
"""


class Probe:
    """The two DAGs: start their runs, intervene, look at what worked when."""

    def __init__(self, environment: LocalEnvironment, ticks: Path) -> None:
        self.environment = environment
        self.api = environment.api
        self.ticks = ticks

    def start(self, dag_id: str, seconds: float = 1) -> str:
        body = {"logical_date": None, "conf": {"seconds": seconds}, "dag_run_id": f"probe__{time.time_ns()}"}
        for _ in range(5):
            try:
                self.api.post(f"/dags/{dag_id}/dagRuns", body)
            except ApiError as error:
                if error.status != 409:  # it is there: only the answer came too late
                    raise
            except Problem:  # SQLite takes one writer: of two that start runs at once, one may have to wait too long
                continue
            break
        return str(body["dag_run_id"])

    def state(self, dag_id: str, run_id: str, task_id: str) -> str | None:
        return states(follow.read(self.api, dag_id, run_id)).get(task_id)

    def working(self, dag_id: str, seconds: float) -> str:
        """Start a run and return its id when its work has begun."""
        run_id = self.start(dag_id, seconds)
        until(lambda: any(who == (dag_id, run_id) for _, who in self.worked()), limit=180)
        return run_id

    def waiting(self, dag_id: str) -> str:
        """Start a run and return its id when it has looked and waits without a slot."""
        run_id = self.start(dag_id)
        until(lambda: self.state(dag_id, run_id, WAIT) == "up_for_reschedule", limit=180)
        return run_id

    def ended(self, dag_id: str, run_id: str) -> follow.Run:
        return follow.follow(self.api, dag_id, run_id, limit=300)

    def mark(self, dag_id: str, run_id: str, state: str) -> None:
        self.api.patch(f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}", {"state": state})

    def delete(self, dag_id: str, run_id: str) -> None:
        self.api._call("DELETE", f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}")

    def clear(self, dag_id: str, run_id: str, *task_ids: str) -> None:
        body: dict[str, Any] = {"dry_run": False, "dag_run_id": run_id, "only_failed": False, "reset_dag_runs": True}
        self.api.post(f"/dags/{dag_id}/clearTaskInstances", {**body, "task_ids": list(task_ids)})

    def worked(self) -> list[tuple[tuple[float, float], tuple[str, str]]]:
        """Return when each process worked (first and last tick), and for which run, in order."""
        found: dict[tuple[str, ...], list[float]] = {}
        for line in self.ticks.read_text().splitlines() if self.ticks.exists() else ():
            at, *who = line.split()
            found.setdefault(tuple(who), []).append(float(at))
        return sorted(((min(at), max(at)), (who[0], who[1])) for who, at in found.items())

    def check(self) -> None:
        """Assert that no process worked while one of another run did."""
        worked = self.worked()
        assert worked
        for i, ((_, end), run) in enumerate(worked):
            for (begin, _), other in worked[i + 1 :]:
                assert other == run or begin > end, f"{other} worked while {run} did:\n{self.ticks.read_text()}"
