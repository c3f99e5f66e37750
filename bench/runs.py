"""Whole DAG runs on a real Airflow: wall and worker time, of all tasks or of a sample of them."""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from bench import arms, projects
from bench.environment import Environment
from mwaactl.errors import Problem

END_STATES = ("success", "failed", "skipped", "upstream_failed", "removed")


@dataclass(frozen=True)
class Case:
    """One kind of run: an arm at a size, with so many slots, of all tasks or of those of some models (`sample`)."""

    arm: str
    size: int
    slots: int
    sample: tuple[str, ...] = ()
    repetitions: int = 5

    @property
    def label(self) -> str:
        """How the progress and the table call it."""
        return f"{self.arm}, {self.size} models, {self.slots} slot{'s' if self.slots > 1 else ''}"


def run(environment: Environment, case: Case, limit: float = 900) -> dict[str, Any]:
    """Run a case once; return wall, worker time, and the durations by kind of task.

    In a sampled run every other task of the DAG is marked as done before the run starts: Airflow schedules the whole
    DAG, and a worker parses the whole file. Wall is from the first queued task to the end of the last one.
    Raises Problem if a task failed, or the run takes more than `limit` seconds.
    """
    api, dag_id = environment.api, arms.dag_id(case.arm, case.size)
    api.patch(
        f"/pools/{arms.POOL}?update_mask=slots", {"name": arms.POOL, "slots": case.slots, "include_deferred": False}
    )
    api.patch(f"/dags/{dag_id}", {"is_paused": True})
    run_id = f"bench-{uuid.uuid4().hex[:8]}"
    api.post(f"/dags/{dag_id}/dagRuns", {"dag_run_id": run_id, "logical_date": None})
    with _database(environment) as database:
        if case.sample:
            _mark_others(database, dag_id, run_id, set(case.sample))
        api.patch(f"/dags/{dag_id}", {"is_paused": False})
        _wait(database, dag_id, run_id, time.monotonic() + limit)
        rows = database.execute(
            "select task_id, state, queued_dttm, start_date, end_date, duration from task_instance"
            " where dag_id = ? and run_id = ? and start_date is not null",
            (dag_id, run_id),
        ).fetchall()
    api.patch(f"/dags/{dag_id}", {"is_paused": True})
    bad = [f"{task} ({state})" for task, state, *_ in rows if state != "success"]
    if bad or not rows:
        logs = environment.layout.airflow_home / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}"
        raise Problem(f"{case.label}: {len(bad)} of {len(rows)} tasks failed: {', '.join(bad[:3])}", f"See {logs}.")
    begin = min(_seconds(queued or start) for _, _, queued, start, _, _ in rows)
    end = max(_seconds(end) for *_, end, _ in rows)
    durations: dict[str, list[float]] = {}
    for task, *_, duration in rows:
        durations.setdefault(task.rsplit(".", 1)[-1], []).append(round(duration, 3))
    return {
        "arm": case.arm,
        "size": case.size,
        "slots": case.slots,
        "sampled": bool(case.sample),
        "tasks": len(rows),
        "wall": round(end - begin, 2),
        "worker": round(sum(row[-1] for row in rows), 2),
        "durations": durations,
    }


@contextmanager
def _database(environment: Environment) -> Iterator[sqlite3.Connection]:
    # Asked directly: polling through the API would take time from the processes that are measured.
    path = environment.layout.airflow_home / "airflow.db"
    with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as connection:
        yield connection


def _mark_others(database: sqlite3.Connection, dag_id: str, run_id: str, models: set[str]) -> None:
    found = database.execute(
        "select task_id from task_instance where dag_id = ? and run_id = ?", (dag_id, run_id)
    ).fetchall()
    others = [task for (task,) in found if not models.intersection(task.split("."))]
    database.execute("begin immediate")
    database.executemany(
        "update task_instance set state = 'success' where dag_id = ? and run_id = ? and task_id = ?",
        [(dag_id, run_id, task) for task in others],
    )
    database.execute("commit")


def _wait(database: sqlite3.Connection, dag_id: str, run_id: str, deadline: float) -> None:
    query = "select state from dag_run where dag_id = ? and run_id = ?"
    while database.execute(query, (dag_id, run_id)).fetchone()[0] not in ("success", "failed"):
        if time.monotonic() > deadline:
            raise Problem(f"The run {run_id} of {dag_id} takes too long.", "See the logs below .local/bench/airflow.")
        time.sleep(0.5)


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def cases(sizes: list[int], chosen: list[str], quick: bool) -> list[Case]:
    """Return what to run, in order. What is sampled follows from what a machine of two cores does in half an hour."""
    found: list[Case] = []
    for size in sizes:
        for slots, width, depth in ((1, 2, 2), (4, 4, 2 if quick else 3)):
            if size <= 1000:  # above, only the cost of a task is of interest
                few = () if size <= 10 and not quick else tuple(projects.sample(size, width, depth))
                found += [Case(arm, size, slots, few) for arm in ("noop", "ours")]
        two = tuple(projects.sample(size, 1, 2))
        if size > 1000:
            found.append(Case("ours", size, 1, tuple(projects.sample(size, 2, 2))))
        if size <= 1000:
            found.append(Case("local", size, 1, two))
            found.append(Case("build", size, 4, ()))
        found.append(Case("virtualenv", size, 1, two if size <= 1000 else two[:1]))
        if size <= 10 and not quick:
            found.append(Case("watcher", size, 4, ()))
    # Of five rounds each median is made; the quick form has two of what its ratios need, and one of the rest.
    rounds = {"noop": 2, "ours": 2}
    return [replace(c, repetitions=rounds.get(c.arm, 1)) if quick else c for c in found if c.arm in chosen]
