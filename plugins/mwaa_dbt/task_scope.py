"""What one task needs of a render manifest, found without reading the rest.

A worker parses the DAG file anew for every task it runs, so that rendering everything makes the cost of a run grow
with the square of the project (cosmos#2857). Airflow says which task it is for (``airflow.sdk.get_parsing_context``,
airflow/sdk/execution_time/task_runner.py); the render manifest has one node a line; so one line and the lines of the
node's tests are enough. Whatever can't be found this way is rendered in full: slower, never different.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from airflow.sdk import get_parsing_context

#: How Cosmos names the task of a node: alone, or in a task group of the node's name beside its tests
#: (cosmos/airflow/graph.py, `_get_task_id_and_args`). Longest endings first.
_ENDINGS = (
    # The last of each is the task of a node's tests in a group of tests (tests_group.py).
    ("model", ("_model_build", "_run", ".run", ".test", "_test")),
    ("seed", ("_seed_build", "_seed", ".seed", ".test", "_test")),
    ("snapshot", ("_snapshot_build", "_snapshot", ".snapshot", ".test", "_test")),
    ("test", ("_test",)),
)
#: Ids of the tasks that a trigger form adds to a DAG.
SELECT_NODES, OUTCOME = "select_nodes", "outcome"
#: Of the tasks that look at sources first, and that run the project's hooks.
SOURCE_FRESHNESS, ON_RUN_START, ON_RUN_END = "source_freshness", "on_run_start", "on_run_end"
#: Those of them that look at other tasks of the DAG.
_OF_THE_WHOLE = (SELECT_NODES, SOURCE_FRESHNESS, ON_RUN_END, OUTCOME)
_VERSION = re.compile(r"_v([^_]+)$")


def running_task(dag_id: str) -> str | None:
    """Return the id of the task for which this process parses the DAG file; None where the whole DAG is wanted.

    An empty text stands for a task of another DAG: nothing of `dag_id` is needed.
    """
    context = get_parsing_context()
    if context.task_id is None or context.dag_id is None:
        return None
    if context.dag_id != dag_id:
        return ""
    name = context.task_id.rsplit(".")[-1]
    return None if name in _OF_THE_WHOLE or name.startswith(ON_RUN_END) else context.task_id


def within(task_id: str, group_id: str) -> str | None:
    """Return what follows the task group `group_id` in `task_id`; None if the task isn't in that group."""
    prefix = f"{group_id}."
    return task_id.removeprefix(prefix) if task_id.startswith(prefix) else None


def cut_to_task(path: Path, task: str) -> dict[str, Any] | None:
    """Return the render manifest at `path` with nothing but the node that `task` is about, and its tests.

    Args:
        path: a file that render_manifest.dumps wrote.
        task: the task's id below its group, e.g. ``fct_flights.run``.

    Returns None if the file doesn't hold exactly one such node.
    """
    try:
        text = path.read_bytes()
    except OSError:
        return None  # the full rendering says what is wrong
    found = dict(_candidates(text, task))
    if len(found) != 1:
        return None
    unique_id = next(iter(found))
    if not unique_id.startswith("test."):
        found |= _tests_of(text, unique_id)
    # Cosmos tells the project's own files from a package's by the project's name.
    head = text[: text.find(b"\n")].rstrip(b",")
    return {**json.loads(head + b"}"), "nodes": found, "sources": {}}


def _candidates(text: bytes, task: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for kind, endings in _ENDINGS:
        for ending in endings:
            if task.endswith(ending) and len(task) > len(ending):
                for name in _names(kind, task.removesuffix(ending)):
                    yield from _lines_of(text, kind, name)
                break


def _names(kind: str, name: str) -> tuple[str, ...]:
    # Cosmos writes the dot of a versioned model as _ (cosmos/dbt/graph.py, `DbtNode.name`).
    return (name, _VERSION.sub(r".v\1", name)) if kind == "model" and _VERSION.search(name) else (name,)


def _lines_of(text: bytes, kind: str, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    # A generic test's unique id ends with a hash, all others with the name.
    endings = (b'": {', b".") if kind == "test" else (b'": {',)
    for ending in endings:
        for key, line in _lines_with(text, b"." + name.encode() + ending):
            rest = key.split(".", 2)[2]
            if key.startswith(f"{kind}.") and (rest == name or (kind == "test" and rest.split(".")[0] == name)):
                yield key, json.loads(line)


def _tests_of(text: bytes, unique_id: str) -> dict[str, Any]:
    tests = {}
    for key, line in _lines_with(text, b'"' + unique_id.encode() + b'"'):
        if key.startswith("test."):
            node = json.loads(line)
            if unique_id in node["depends_on"]["nodes"]:
                tests[key] = node
    return tests


def _lines_with(text: bytes, wanted: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield key and value of each node's line that holds `wanted`."""
    position = text.find(wanted)
    while position >= 0:
        begin = text.rfind(b"\n", 0, position) + 1
        end = text.find(b"\n", position)
        key, separator, value = text[begin:end].partition(b": ")
        if separator and key.startswith(b'"') and value.startswith(b"{") and value.rstrip(b",").endswith(b"}"):
            yield key.strip(b'"').decode(), value.rstrip(b",")
        position = text.find(wanted, end)
