"""on-run-start and on-run-end hooks apart from the nodes they stand around. Runs inside dbt's virtualenv.

A DAG run is many dbt commands, and each would run the project's hooks. So a node's command leaves them out, and two
tasks of the run run them alone; the environment variable `WHICH` says which way. Without it dbt does as it always does.

Alone, a command selects what the run did and prepares as dbt does (schemas, `selected_resources`), runs the hooks of
one kind, and no node. on-run-end is given how the run's nodes ended (dbt/task/run.py, `RunTask.after_run`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

WHICH = "MWAA_DBT_HOOKS"
#: What `WHICH` may say: no hooks, or these alone.
NONE, START, END = "none", "on-run-start", "on-run-end"
ALONE = (START, END)
#: Names a file: how the run's nodes ended, as dbt's status by unique id.
RESULTS = "MWAA_DBT_HOOK_RESULTS"
_HOOKS = "dbt.task.run:RunTask.get_hooks_by_type"
_NODES = "dbt.task.runnable:GraphRunnableTask.execute_with_hooks"
_EXECUTE = "dbt.task.runnable:GraphRunnableTask.execute_nodes"


def apply() -> None:
    """Let dbt in this process go by `WHICH`. Call before any dbt command."""
    import lean  # here: the library imports this module for its names

    lean.replace(_HOOKS, _chosen)
    lean.replace(_NODES, _alone)
    lean.replace(_EXECUTE, lambda original: original)  # only to know that it is there


def refused() -> str:
    """Return why this dbt can't do what `WHICH` says; empty if it can, or nothing is said."""
    import lean

    missing = [path for path in (_HOOKS, _NODES, _EXECUTE) if path in lean.MISSING]
    if os.environ.get(WHICH) and missing:
        return f"This dbt has no {', '.join(missing)}: hooks can't run once per DAG run. Set [mwaa_dbt] hooks to node."
    return ""


def _chosen(original: Callable[..., Any]) -> Callable[..., Any]:
    def get_hooks_by_type(self: Any, hook_type: Any) -> Any:
        which = os.environ.get(WHICH)
        return original(self, hook_type) if not which or which == str(hook_type) else []

    return get_hooks_by_type


def _alone(original: Callable[..., Any]) -> Callable[..., Any]:
    def execute_with_hooks(self: Any, selected_uids: Any) -> Any:
        if os.environ.get(WHICH) in ALONE:
            self._flattened_nodes, self.num_nodes = [], 0
            self.execute_nodes = lambda: list(_results(self.manifest))
        return original(self, selected_uids)

    return execute_with_hooks


def _results(manifest: Any) -> Iterator[Any]:
    from dbt.artifacts.schemas.results import NodeStatus, RunStatus, TestStatus
    from dbt.artifacts.schemas.run import RunResult

    path = os.environ.get(RESULTS)
    if not path:
        return
    for unique_id, status in json.loads(Path(path).read_text(encoding="utf-8")).items():
        node = manifest.nodes.get(unique_id)
        if node is None:  # a source's, or no longer there
            continue
        kinds = TestStatus if status in ("pass", "fail") else RunStatus
        yield RunResult(
            status=kinds(NodeStatus(status).value),
            timing=[],
            thread_id="Thread-1",  # results of the thread "main" are hooks' own
            execution_time=0.0,
            adapter_response={},
            message=None,
            failures=None,
            node=node,
            batch_results=None,
        )
