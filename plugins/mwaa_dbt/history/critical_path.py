"""Which tasks a run had to wait for: shortening any other would not have ended it sooner. Standard library only."""

from __future__ import annotations

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
    for one in tries:
        for node in _about(one):
            by_node.setdefault(node, []).append(one)
    path = [max(tries, key=lambda one: (one["ended"], one["id"]))]
    while True:
        last = path[-1]
        before = [one for one in tries if one["id"] != last["id"] and one["ended"] <= last["started"] + _SLACK]
        before = [one for one in before if (one["started"], one["id"]) < (last["started"], last["id"])]
        if not before:
            break
        wanted = {one["id"] for node in _needs(last) for one in by_node.get(node, ())}
        same = {
            one["id"] for one in tries if (one["task_id"], one["map_index"]) == (last["task_id"], last["map_index"])
        }
        direct = [one for one in before if one["id"] in wanted | same]
        path.append(max(direct or before, key=lambda one: (one["ended"], one["id"])))
    return [one["id"] for one in reversed(path)]


#: Seconds by which a task may seem to begin before its predecessor ended: it records its end a moment early or late.
_SLACK = 0.5


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
