"""What one DAG holds of a dbt project: connects its task groups with each other and with its first and last tasks."""

from __future__ import annotations

from airflow.sdk import DAG, BaseOperator, TaskGroup

from mwaa_dbt.dag_frame import Frame
from mwaa_dbt.task_group import ProjectTaskGroup


class DagRendering:
    """What one DAG holds of the project so far: keeps tests with parents in several groups single."""

    def __init__(self, dag: DAG, frame: Frame) -> None:
        self.dag = dag
        self._frame = frame
        self._tasks: dict[str, BaseOperator | TaskGroup] = {}
        self._tests: dict[str, tuple[ProjectTaskGroup, BaseOperator]] = {}

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
                if parent in self._tasks and group.chained:
                    _put_after(self._tasks[parent], kept)
        if self._frame.first is not None:
            self._frame.first >> group
        for task in self._frame.last:
            group >> task

    def before_outcome(self, task: BaseOperator) -> None:
        """Have `task` end before the run's outcome is told."""
        if self._frame.outcome is not None:
            task >> self._frame.outcome


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
