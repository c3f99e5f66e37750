"""The project's on-run-start or on-run-end hooks, once per DAG run, in a task of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mwaa_dbt import left_out, settings
from mwaa_dbt.compat import AirflowRescheduleException, AirflowSkipException
from mwaa_dbt.node_operators import DbtBuildVirtualenvOperator
from mwaa_dbt.outcome import ENDED
from mwaa_dbt.run_form import RunForm
from mwaa_dbt.warm import hooks

if TYPE_CHECKING:
    from airflow.sdk import Context

_POLL = timedelta(seconds=10)
#: dbt's status of a node, and of a test, by the state of its task. What the run left out (skipped) has none.
_NODE = {"success": "success", "failed": "error", "upstream_failed": "skipped"}
_TEST = {"success": "pass", "failed": "fail", "upstream_failed": "skipped"}


class RunHooks(DbtBuildVirtualenvOperator):
    """One dbt command that runs hooks of one kind, and no node (warm/hooks.py).

    on-run-end runs when every node's task has ended, however, and is told how: `results`, `schemas` and
    `database_schemas` are the DAG run's.

    Args:
        kind: on-run-start or on-run-end.
        command: what the run as a whole is in dbt's words, build or test (`flags.WHICH`).
        started: of on-run-end: the task of on-run-start, if the project has such hooks.
    """

    #: Whether it is the last of the run's first tasks.
    leaves_out = False

    def __init__(self, *, kind: str, command: str = "build", started: str | None = None, **kwargs: Any) -> None:
        # Of on-run-end the lock's guard comes after the look at the run: one of which nothing has begun (it gave up
        # waiting for its turn, its form was refused) would wait for its turn once more, only to skip itself then.
        self.guard = kwargs.pop("pre_execute", None) if kind == hooks.END else None
        if self.guard is not None:
            kwargs["pre_execute"] = None
        # The hooks may look up relations all the same: dbt then asks the warehouse for their schema.
        super().__init__(**{"dbt_cmd_flags": ["--no-populate-cache"], **kwargs, "hooks": kind})
        self.base_cmd = [command]
        self.started = started
        self._ended: dict[str, str] = {}

    def execute(self, context: Context, **kwargs: Any) -> Any:
        """Run the hooks.

        Raises:
            DownstreamTasksSkipped: with what the run leaves out, if it is the last of the run's first tasks.
            AirflowRescheduleException: if a node's task hasn't ended yet, or it isn't the run's turn (on-run-end).
            AirflowSkipException: if nothing of the run has begun (on-run-end).
            DbtError: if a hook failed.
        """
        form = RunForm.of_run(context, settings.target())
        if form.select:
            self.select = " ".join(form.select)
        if self.hooks == hooks.END:
            self._ended = self._results(context)
            if self.guard is not None:
                self.guard(context)
        found = super().execute(context, **kwargs)
        if self.leaves_out:
            left_out.skip(context)
        return found

    def hooks_env(self, workspace: Path) -> dict[str, str]:
        """Return which hooks to run, and how the run's nodes ended."""
        if self.hooks != hooks.END:
            return super().hooks_env(workspace)
        path = workspace / "hook_results.json"
        path.write_text(json.dumps(self._ended))
        return {**super().hooks_env(workspace), hooks.RESULTS: str(path)}

    def _results(self, context: Context) -> dict[str, str]:
        ti = context["ti"]
        found = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id]).get(ti.run_id, {})
        states = {task_id: str(state) for task_id, state in found.items()}
        tasks = [task for task in self.dag.tasks if getattr(task, "node_ids", ())]
        if waiting := [task.task_id for task in tasks if states.get(task.task_id) not in ENDED]:
            # Where the form left out the last tasks, they have ended before the first began.
            self.log.info("%d tasks haven't ended yet, among them %s", len(waiting), ", ".join(sorted(waiting)[:3]))
            raise AirflowRescheduleException(datetime.now(tz=UTC) + _POLL)
        begun = ("success", "failed")
        if not any(states.get(task_id) in begun for task_id in (*(t.task_id for t in tasks), self.started)):
            raise AirflowSkipException("Nothing of this run has begun, so there is no end of it to tell of.")
        return _statuses(tasks, states)


def _statuses(tasks: list[Any], states: Mapping[str, str]) -> dict[str, str]:
    """Return dbt's status of each node that the run was about, as the state of its task tells it."""
    found = {}
    for task in tasks:
        for node in task.node_ids:
            test = node.startswith("test.")
            if task.base_cmd[0] == "test" and not test:
                continue  # of all nodes of a group: their own tasks tell
            if status := (_TEST if test else _NODE).get(states.get(task.task_id, "")):
                found[node] = status
    return found
