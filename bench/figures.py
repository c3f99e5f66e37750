"""The figures that this project wants to reach, against what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.results import Results, per_task

#: What Airflow, system and the warm server itself take of a worker's memory before any task runs (MB).
WORKER_BASE = 700


@dataclass(frozen=True)
class Figure:
    """One figure: `wanted` is a limit, from above (`at_most`) or from below."""

    name: str
    wanted: float
    measured: float | None
    unit: str = ""
    at_most: bool = True

    @property
    def reached(self) -> bool | None:
        """Whether it was reached; None if it wasn't measured."""
        if self.measured is None:
            return None
        return self.measured <= self.wanted if self.at_most else self.measured >= self.wanted


def ratio(above: float | None, below: float | None) -> float | None:
    """Return above / below; None if one of them wasn't measured."""
    return above / below if above is not None and below else None


def figures(results: Results) -> Iterator[Figure]:
    """Give each figure, measured or not, in the order of the project's goals."""

    def wall(arm: str, size: int, slots: int) -> float | None:
        return results.median("runs", "wall", arm=arm, size=size, slots=slots)

    for slots, limit in ((1, 1.15), (4, 1.6)):
        for size in (10, 100, 1000):
            measured = ratio(wall("ours", size, slots), wall("noop", size, slots))
            name = f"DAG run, ours / no-op tasks, {slots} slot{'s' * (slots > 1)}, {size:,} models"
            yield Figure(name, limit, measured, "x")
    for size, limit in ((10, 8), (100, 8), (1000, 12), (5000, 20)):
        stock, ours = (per_task(results, arm=arm, size=size, slots=1) for arm in ("virtualenv", "ours"))
        yield Figure(f"worker time, VIRTUALENV / ours, {size:,} models", limit, ratio(stock, ours), "x", at_most=False)
    for size, seconds in ((100, 0.35), (1000, 0.5), (5000, 1.0)):
        measured = results.median("task", "seconds", way="warm", size=size)
        yield Figure(f"dbt's part of a task, {size:,} models", seconds, measured, "s")
    for size in (100, 5000):
        measured = results.median("parse", "seconds", arm="ours", size=size, mode="task")
        yield Figure(f"parse at a task's start, {size:,} models", 0.1, measured, "s")
    for size in (1000, 5000):
        ours, stock = (results.median("parse", "seconds", arm=a, size=size, mode="dag") for a in ("ours", "virtualenv"))
        yield Figure(f"DAG processor's parse, stock / ours, {size:,} models", 3, ratio(stock, ours), "x", at_most=False)
        ours, stock = (results.median("parse", "peak_mb", arm=a, size=size, mode="dag") for a in ("ours", "virtualenv"))
        yield Figure(f"DAG processor's memory, ours / stock, {size:,} models", 0.5, ratio(ours, stock), "x")
    yield Figure("memory of one more concurrent task, 1,000 models", 90, additional_memory(results, 1000, "warm"), "MB")


def additional_memory(results: Results, size: int, way: str) -> float | None:
    """Return the MB that each concurrent dbt command adds to the first; None if it wasn't measured."""
    measured = {
        count: results.median("memory", "total_mb", size=size, way=way, concurrent=count)
        for count in {sample["concurrent"] for sample in results.select("memory", size=size, way=way)}
    }
    known = {count: total for count, total in measured.items() if total is not None}
    if len(known) < 2:
        return None
    few, many = min(known), max(known)
    return (known[many] - known[few]) / (many - few)


def fitting(results: Results, size: int, way: str, memory_gb: int) -> int | None:
    """Return how many concurrent dbt commands fit into a worker of so much memory, beside WORKER_BASE and server."""
    one = results.median("memory", "total_mb", size=size, way=way, concurrent=1)
    more = additional_memory(results, size, way)
    if one is None or more is None:
        return None
    left = memory_gb * 1024 - WORKER_BASE - one
    return 1 + int(left // more) if left > 0 else 0
