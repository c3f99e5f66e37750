"""A dbt project as a DAG file sees it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, BaseOperator, Param, TaskGroup
from cosmos.config import ExecutionConfig, RenderConfig
from cosmos.constants import LoadMode, TestBehavior
from cosmos.dbt.graph import DbtGraph, DbtNode

from mwaa_dbt import manifest, render_manifest, run_form, selection, settings
from mwaa_dbt.cosmos_seam import RenderedProject
from mwaa_dbt.operators import DbtRunOperationVirtualenvOperator, profile_config
from mwaa_dbt.run_form import RunForm
from mwaa_dbt.select_nodes import SelectNodes
from mwaa_dbt.task_group import GroupConfig, ProjectTaskGroup


class DbtProject:
    """The dbt project in the folder `name` below the dbt root.

    Args:
        name: the folder's name, which is also the project's (`name` in dbt_project.yml) and the profile's.
        test_behavior: when tests run, for nodes that don't say so themselves: after_each, build, after_all or none.

    Nothing is read before the first task group is made.
    """

    def __init__(self, name: str, test_behavior: str | TestBehavior = TestBehavior.AFTER_EACH) -> None:
        self.name = name
        self.project_dir: Path = settings.dbt_root() / name
        self.test_behavior = TestBehavior(test_behavior)
        self._renderings: dict[str, _Rendering] = {}

    @cached_property
    def _config(self) -> RenderedProject:
        path = render_manifest.path_of(self.project_dir)
        manifest.check_dbt_version(manifest.load(path, self.name), path, settings.pinned_dbt_version())
        return RenderedProject(self.name, self.project_dir, self.test_behavior)

    def run_params(self, targets: Sequence[str] = run_form.TARGETS) -> dict[str, Param]:
        """Return the trigger form for DAGs of this project: select, exclude, full refresh, target, vars."""
        return run_form.params(settings.target(), targets)

    def task_group(
        self,
        group_id: str,
        select: Sequence[str] = (),
        exclude: Sequence[str] = (),
        **operator_args: Any,
    ) -> ProjectTaskGroup:
        """Return a task group of the nodes that `select` names (all, if empty) without those that `exclude` names.

        Both are lists of terms in dbt's syntax, as far as Cosmos resolves it from a manifest; `operator_args` go to
        every task. To be called inside a DAG. A test with parents in several groups of the DAG runs once, in the
        group that data reaches last (the one made last, where data says nothing).

        Raises:
            ManifestError: if the project's render manifest can't be used.
        """
        group = ProjectTaskGroup(
            group_id,
            GroupConfig(
                project=self._config,
                profile=profile_config(self.name, settings.target()),
                select=tuple(select),
                exclude=tuple(exclude),
                operator_args={
                    "pool": settings.pool(),
                    # A node runs though its parents were left out of the run, but not if one of them failed.
                    "trigger_rule": "none_failed",
                    "install_deps": False,
                    **operator_args,
                },
                resolve=self.resolve,
            ),
        )
        rendering = self._renderings.get(group.dag.dag_id)
        if rendering is None or rendering.dag is not group.dag:
            rendering = self._renderings[group.dag.dag_id] = _Rendering(group.dag, self)
        rendering.add(group)
        return group

    def run_operation(
        self, task_id: str, macro: str, args: dict[str, Any] | None = None, **operator_args: Any
    ) -> DbtRunOperationVirtualenvOperator:
        """Return a task that runs the project's `macro` with `args` (templated)."""
        return DbtRunOperationVirtualenvOperator(
            task_id=task_id, macro_name=macro, args=args, **self.task_args(), **operator_args
        )

    def task_args(self) -> dict[str, Any]:
        """Return the arguments of every operator that runs this project's dbt."""
        return {
            "project_dir": self.project_dir,
            "profile_config": profile_config(self.name, settings.target()),
            "pool": settings.pool(),
            "install_deps": False,
            "emit_datasets": False,
        }

    def nodes(self) -> dict[str, DbtNode]:
        """Return all nodes of the project by unique id, tests included, as Cosmos sees them."""
        graph = DbtGraph(
            project=self._config,
            execution_config=ExecutionConfig(dbt_project_path=self.project_dir),
            render_config=RenderConfig(load_method=LoadMode.DBT_MANIFEST),
        )
        graph.load_from_dbt_manifest()
        return graph.nodes

    def resolve(self, form: RunForm) -> set[str]:
        """Return the unique ids of the nodes that a run's `form` selects.

        Raises:
            SelectionError: if it names nodes that don't exist.
        """
        return selection.resolve(self.nodes(), self.project_dir, form.select, form.exclude)


class _Rendering:
    """What one DAG holds of the project so far: keeps tests with parents in several groups single."""

    def __init__(self, dag: DAG, project: DbtProject) -> None:
        self.dag = dag
        self._tasks: dict[str, BaseOperator | TaskGroup] = {}
        self._tests: dict[str, tuple[ProjectTaskGroup, BaseOperator]] = {}
        # A DAG without the form can't be asked for less than everything.
        self._select = SelectNodes(task_id="select_nodes", resolve=project.resolve) if "select" in dag.params else None

    def add(self, group: ProjectTaskGroup) -> None:
        """Connect `group` with what was rendered before."""
        tests = {unique_id: task for unique_id, task in group.tasks_map.items() if unique_id.startswith("test.")}
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
        if self._select is not None:
            self._select >> group


def _follows(group: ProjectTaskGroup, other: ProjectTaskGroup) -> bool:
    """Whether data flows from `other` to `group`, and not the other way too."""
    return bool(_ancestors(group) & other.tasks_map.keys()) and not _ancestors(other) & group.tasks_map.keys()


def _ancestors(group: ProjectTaskGroup) -> set[str]:
    nodes = group.dbt_graph.nodes
    found: set[str] = set()
    new = {unique_id for unique_id in group.tasks_map if not unique_id.startswith("test.")}
    while new:
        new = {parent for unique_id in new if unique_id in nodes for parent in nodes[unique_id].depends_on} - found
        found |= new
    return found


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
