"""Which tasks a run had to wait for: shortening any other would not have ended it sooner. Standard library only."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any


def critical_path(tries: list[dict[str, Any]]) -> list[int]:
    """Return the ids of the tries on the critical path of a run, first to last.

    From the try that ended last it goes back, each time to the one of its predecessors that ended last: an earlier try
    of the same task, or one about a node that its node depends on (its tests included). Where none of those ran in
    this run (what lies between is ephemeral, or was left out) it is whatever ended last before it began.

    Args:
        tries: as queries.run_tries returns them.
    """
    if not tries:
        return []
    by_node: dict[str, list[dict[str, Any]]] = {}
    by_task: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for one in tries:
        by_task.setdefault((one["task_id"], one["map_index"]), []).append(one)
        for node in _about(one):
            by_node.setdefault(node, []).append(one)
    by_end = sorted(tries, key=_end)
    path = [by_end[-1]]
    while True:
        last = path[-1]
        direct = [one for node in _needs(last) for one in by_node.get(node, ())]
        direct += by_task[last["task_id"], last["map_index"]]
        direct = [one for one in direct if _is_before(one, last)]
        if direct:
            path.append(max(direct, key=_end))
            continue
        ended = by_end[: bisect_right(by_end, last["started"] + _SLACK, key=lambda one: one["ended"])]
        earlier = next((one for one in reversed(ended) if _is_before(one, last)), None)
        if earlier is None:
            return [one["id"] for one in reversed(path)]
        path.append(earlier)


#: Seconds by which a task may seem to begin before its predecessor ended: it records its end a moment early or late.
_SLACK = 0.5


def _end(one: dict[str, Any]) -> tuple[float, int]:
    return one["ended"], one["id"]


def _is_before(one: dict[str, Any], last: dict[str, Any]) -> bool:
    ended = one["ended"] <= last["started"] + _SLACK
    return bool(ended and (one["started"], one["id"]) < (last["started"], last["id"]))


def _about(one: dict[str, Any]) -> set[str]:
    # A test task is about the node that it tests: what depends on the node waits for it as well.
    found = {result["node"] for result in one["results"] if result["node"]} | (
        {one["about"]} if one["about"] else set()
    )
    return found | (set(one["depends_on"]) if str(one["about"]).startswith("test.") else set())


def _needs(one: dict[str, Any]) -> set[str]:
    if one["command"] == "test" and not str(one["about"]).startswith("test."):
        return {one["about"]} if one["about"] else set()
    return set(one["depends_on"])
