"""What one DAG holds of a dbt project: connects its task groups with each other and with its first and last tasks."""

from __future__ import annotations

from airflow.sdk import DAG, BaseOperator, TaskGroup

from mwaa_dbt.errors import ConfigurationError
from mwaa_dbt.exclusion.tasks import WAIT_FOR_TURN, WaitForTurn
from mwaa_dbt.group_config import Resolve
from mwaa_dbt.outcome import Outcome
from mwaa_dbt.select_nodes import SelectNodes
from mwaa_dbt.task_group import ProjectTaskGroup
from mwaa_dbt.task_scope import OUTCOME, SELECT_NODES


class DagRendering:
    """What one DAG holds of the project so far: keeps tests with parents in several groups single."""

    def __init__(self, dag: DAG, resolve: Resolve, lock: str | None = None) -> None:
        self.dag = dag
        self._tasks: dict[str, BaseOperator | TaskGroup] = {}
        self._tests: dict[str, tuple[ProjectTaskGroup, BaseOperator]] = {}
        # A DAG without the form can't be asked for less than everything.
        asked = "target" in dag.params
        select = SelectNodes(task_id=SELECT_NODES, resolve=resolve) if asked else None
        wait = _wait_for_turn(dag, lock) if lock else None
        if select is not None and wait is not None:
            select >> wait  # a form that can't be followed needs no turn
        self._first = wait or select
        self._outcome = Outcome(task_id=OUTCOME, lock=lock) if asked or lock else None

    def add(self, group: ProjectTaskGroup) -> None:
        """Connect `group` with what was rendered before."""
        tests: dict[str, BaseOperator] = {
            unique_id: task
            for unique_id, task in group.tasks_map.items()
            if unique_id.startswith("test.") and isinstance(task, BaseOperator)
        }
        self._tasks |= {unique_id: task for unique_id, task in group.tasks_map.items() if unique_id not in tests}
        for unique_id, task in tests.items():
            home, kept = group, task
            if earlier := self._tests.get(unique_id):
                # Groups are chained as data flows, in whatever order they are made: the test stays with the last.
                if _follows(earlier[0], group):
                    home, kept = earlier
                _remove(task if kept is not task else earlier[1])
            self._tests[unique_id] = home, kept
            for parent in group.nodes[unique_id].depends_on:
                if parent in self._tasks:
                    _put_after(self._tasks[parent], kept)
        if self._first is not None:
            self._first >> group
        if self._outcome is not None:
            group >> self._outcome

    def before_outcome(self, task: BaseOperator) -> None:
        """Have `task` end before the run's outcome is told."""
        if self._outcome is not None:
            task >> self._outcome


def _wait_for_turn(dag: DAG, lock: str) -> WaitForTurn:
    # Two locks in one DAG could be taken in one order here and in the other there: each would wait for the other.
    if dag.has_task(WAIT_FOR_TURN):
        raise ConfigurationError(
            f"The DAG {dag.dag_id} has a lock already: one DAG, one lock; {lock!r} is one too many."
        )
    return WaitForTurn(task_id=WAIT_FOR_TURN, lock=lock)


def _follows(group: ProjectTaskGroup, other: ProjectTaskGroup) -> bool:
    """Whether data flows from `other` to `group`, and not the other way too."""
    return bool(group.ancestors & other.tasks_map.keys()) and not other.ancestors & group.tasks_map.keys()


def _put_after(before: BaseOperator | TaskGroup, task: BaseOperator) -> None:
    for leaf in [before] if isinstance(before, BaseOperator) else list(before.get_leaves()):
        if leaf.node_id not in task.upstream_task_ids:
            leaf >> task


def _remove(task: BaseOperator) -> None:
    """Take `task` out of its DAG; what waited for it waits for its parents instead."""
    upstream, downstream = task.get_direct_relatives(upstream=True), task.get_direct_relatives(upstream=False)
    for before in list(upstream):
        before.downstream_task_ids.discard(task.task_id)
        for after in list(downstream):
            before >> after
    for after in list(downstream):
        after.upstream_task_ids.discard(task.task_id)
    task.dag._remove_task(task.task_id)
