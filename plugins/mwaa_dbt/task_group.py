"""A DbtTaskGroup whose nodes each say when their tests run, on the operators of this library.

Cosmos' node converters are the way in: for each node they get what Cosmos would build, and return the task or group
to put in its place (cosmos/airflow/graph.py:590-756, 1.15.1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from airflow.sdk import DAG, BaseOperator, TaskGroup
from cosmos import DbtTaskGroup
from cosmos.airflow.graph import create_task_metadata, create_test_task_metadata
from cosmos.config import ExecutionConfig, ProfileConfig, RenderConfig
from cosmos.constants import (
    DbtResourceType,
    ExecutionMode,
    InvocationMode,
    LoadMode,
    SourceRenderingBehavior,
    TestBehavior,
    TestIndirectSelection,
)
from cosmos.converter import DbtToAirflowConverter
from cosmos.core.airflow import get_airflow_task
from cosmos.core.graph.entities import Task as TaskMetadata
from cosmos.dbt.graph import DbtNode

from mwaa_dbt import behavior, task_scope
from mwaa_dbt.cosmos_seam import RenderedProject
from mwaa_dbt.errors import ManifestError
from mwaa_dbt.run_form import RunForm

_STOCK_OPERATORS = "cosmos.operators.virtualenv."
_OPERATORS = "mwaa_dbt.operators."

Resolve = Callable[[RunForm], set[str]]
#: Unique id of a node -> its tests with several parents, which get tasks of their own.
_Detached = dict[str, list[DbtNode]]


@dataclass(frozen=True)
class GroupConfig:
    """What one group renders: `select` and `exclude` in the syntax of Cosmos' RenderConfig."""

    project: RenderedProject
    profile: ProfileConfig
    select: tuple[str, ...]
    exclude: tuple[str, ...]
    operator_args: dict[str, Any]
    resolve: Resolve
    task_scope: bool

    def render_config(self, converters: dict[DbtResourceType, Callable[..., Any]] | None = None) -> RenderConfig:
        """Return Cosmos' configuration of the group.

        Cosmos itself always sees ``after_each``, so that it finds the tests with several parents; what a node wants
        instead, its converter knows.
        """
        return RenderConfig(
            load_method=LoadMode.DBT_MANIFEST,
            select=list(self.select),
            exclude=list(self.exclude),
            test_behavior=TestBehavior.AFTER_EACH,
            should_detach_multiple_parents_tests=True,
            source_rendering_behavior=SourceRenderingBehavior.NONE,
            emit_datasets=False,
            enable_owner_inheritance=False,
            node_converters=converters,
        )


class ProjectTaskGroup(DbtTaskGroup):  # type: ignore[misc]  # Cosmos ships no types
    """One group of a project's nodes: a task per node, and its tests where the node wants them."""

    def __init__(self, group_id: str, config: GroupConfig, **kwargs: Any) -> None:
        TaskGroup.__init__(self, group_id=group_id, **kwargs)
        project, whole = self._scope(config)
        self.scoped = not whole
        if project is None:  # a task of another group or DAG runs
            self.tasks_map: dict[str, BaseOperator | TaskGroup] = {}
            return
        render_config = config.render_config(_converters(config))
        if self.scoped:
            # The node is of this group, or it had no task here; a selection would miss what was cut away.
            render_config.select, render_config.exclude = [], []
        # As DbtTaskGroup does after TaskGroup's own __init__ (cosmos/airflow/task_group.py, 1.15.1).
        DbtToAirflowConverter.__init__(
            self,
            task_group=self,
            project_config=project,
            profile_config=config.profile,
            execution_config=ExecutionConfig(
                execution_mode=ExecutionMode.VIRTUALENV,
                invocation_mode=InvocationMode.SUBPROCESS,
                dbt_executable_path="dbt",
            ),
            render_config=render_config,
            operator_args=config.operator_args,
        )
        if whole:
            self._add_tests_after_all(config)

    def _scope(self, config: GroupConfig) -> tuple[RenderedProject | None, bool]:
        """Return what is to be rendered, and whether that is the whole group."""
        running = task_scope.running_task(self.dag.dag_id) if config.task_scope else None
        if running is None:
            return config.project, True
        task = task_scope.within(running, self.group_id)
        if task is None:
            return None, False
        scoped = None if task == _after_all_id(config) else config.project.for_task(task)
        return (config.project, True) if scoped is None else (scoped, False)

    def set_downstream(self, task_or_task_list: Any, edge_modifier: Any = None) -> None:
        """Set what comes after this group, as Airflow does; a group cut to one task has no end."""
        if not self.scoped:
            super().set_downstream(task_or_task_list, edge_modifier)

    def set_upstream(self, task_or_task_list: Any, edge_modifier: Any = None) -> None:
        """Set what comes before this group, as Airflow does; a group cut to one task has no start."""
        if not self.scoped:
            super().set_upstream(task_or_task_list, edge_modifier)

    @property
    def nodes(self) -> dict[str, DbtNode]:
        """The rendered nodes by unique id, tests included."""
        return self.dbt_graph.filtered_nodes

    def _add_tests_after_all(self, config: GroupConfig) -> None:
        rendered = {uid: node for uid, node in self.nodes.items() if uid in self.tasks_map}
        wanting = {
            uid: node
            for uid, node in rendered.items()
            if node.resource_type != DbtResourceType.TEST
            and behavior.of(uid, node.config, config.project.default_behavior) is TestBehavior.AFTER_ALL
        }
        if not wanting:
            return
        render_config = config.render_config()
        detached = [node for node in rendered.values() if node.resource_type == DbtResourceType.TEST]
        if len(wanting) + len(detached) < len(rendered):  # not all of the group's nodes: name them
            render_config.select = [node.resource_name for node in wanting.values()]
            render_config.exclude = [node.resource_name.split(".")[0] for node in detached]
        meta = create_test_task_metadata(
            _after_all_id(config),
            ExecutionMode.VIRTUALENV,
            TestIndirectSelection.EAGER,
            task_args=_task_args(config, self),
            render_config=render_config,
        )
        leaves = [task for task in self.get_leaves() if isinstance(task, BaseOperator)]
        task = _create(meta, self.dag, self, tuple(wanting), owner=None, resolve=config.resolve)
        for leaf in leaves:
            leaf >> task


def _after_all_id(config: GroupConfig) -> str:
    return f"{config.project.project_name}_test"


def _task_args(config: GroupConfig, group: ProjectTaskGroup) -> dict[str, Any]:
    # What the converter hands to every task (cosmos/converter.py, `task_args`), for the one that we add.
    return {
        **config.operator_args,
        "project_dir": config.project.dbt_project_path,
        "partial_parse": True,
        "profile_config": config.profile,
        "install_deps": False,
    }


def _converters(config: GroupConfig) -> dict[DbtResourceType, Callable[..., Any]]:
    """Return what makes a task or group of a node, and what makes a task of a test with several parents."""
    by_behavior: dict[TestBehavior, RenderConfig] = {}
    for each in TestBehavior:
        by_behavior[each] = config.render_config()
        by_behavior[each].test_behavior = each

    def tests_of(
        node: DbtNode, task_id: str, dag: DAG, task_group: TaskGroup, task_args: dict[str, Any], detached: _Detached
    ) -> BaseOperator:
        meta = create_test_task_metadata(
            task_id,
            ExecutionMode.VIRTUALENV,
            TestIndirectSelection.EAGER,
            task_args=task_args,
            node=node,
            render_config=by_behavior[TestBehavior.AFTER_EACH],
            detached_from_parent=detached,
        )
        if node.resource_name == node.package_name:
            # To dbt the bare name is the whole project; stock Cosmos tests all of it in this task.
            meta.arguments["select"] = f"fqn:{'.'.join(node.fqn or [node.resource_name])}"
        return _create(meta, dag, task_group, (node.unique_id,), node.owner)

    def convert_node(
        *,
        node: DbtNode,
        dag: DAG,
        task_group: TaskGroup,
        task_args: dict[str, Any],
        detached_from_parent: _Detached,
        **_: Any,
    ) -> BaseOperator | TaskGroup:
        wanted = behavior.of(node.unique_id, node.config, config.project.default_behavior)
        grouped = wanted is TestBehavior.AFTER_EACH and node.has_non_detached_test
        meta = create_task_metadata(
            node=node,
            execution_mode=ExecutionMode.VIRTUALENV,
            args=task_args,
            dbt_dag_task_group_identifier=f"{dag.dag_id}__{task_group.group_id}",
            render_config=by_behavior[wanted],
            use_task_group=grouped,
            detached_from_parent=detached_from_parent,
        )
        if not grouped:
            return _create(meta, dag, task_group, (node.unique_id,), node.owner)
        with TaskGroup(group_id=node.name, parent_group=task_group, dag=dag) as group:
            task = _create(meta, dag, group, (node.unique_id,), node.owner)
            task >> tests_of(node, "test", dag, group, task_args, detached_from_parent)
        return group

    def convert_detached_test(
        *,
        task_id: str,
        dag: DAG,
        task_group: TaskGroup,
        task_args: dict[str, Any],
        detached_from_parent: _Detached,
        **_: Any,
    ) -> BaseOperator:
        # Cosmos passes the group's last node as `node` here (cosmos/airflow/graph.py, `_add_test_tasks`).
        node = _detached_test(task_id, detached_from_parent)
        return tests_of(node, task_id, dag, task_group, task_args, detached_from_parent)

    nodes = (DbtResourceType.MODEL, DbtResourceType.SEED, DbtResourceType.SNAPSHOT)
    return {**dict.fromkeys(nodes, convert_node), DbtResourceType.TEST: convert_detached_test}


def _detached_test(task_id: str, detached: _Detached) -> DbtNode:
    for tests in detached.values():
        for node in tests:
            if f"{node.resource_name.split('.')[0]}_test" == task_id:
                return node
    # Cosmos numbers tests with longer names, in an order that differs between processes (cosmos#1469).
    names = sorted({n.resource_name for tests in detached.values() for n in tests if len(n.resource_name) >= 240})
    raise ManifestError(f"Tests with several parents need names under 240 characters (`name:` in the .yml): {names}")


def _create(
    meta: TaskMetadata,
    dag: DAG,
    group: TaskGroup,
    node_ids: tuple[str, ...],
    owner: str | None,
    resolve: Resolve | None = None,
) -> BaseOperator:
    arguments = dict(meta.arguments)
    if exclude := arguments.get("exclude"):
        # Cosmos' order comes from a set and differs between processes: each parse would be a new DAG version.
        arguments["exclude"] = " ".join(sorted(exclude.split()))
    if owner:
        arguments["owner"] = owner
    if not meta.operator_class.startswith(_STOCK_OPERATORS):  # an ephemeral model: nothing runs
        return get_airflow_task(replace(meta, arguments=arguments), dag, group)
    name = meta.operator_class.removeprefix(_STOCK_OPERATORS)
    arguments["node_ids"] = node_ids
    if name == "DbtTestVirtualenvOperator":
        # A failed test fails again on the same data; a lost connection is worth no more than a click.
        arguments |= {"retries": 0, "resolve": resolve}
    return get_airflow_task(replace(meta, operator_class=_OPERATORS + name, arguments=arguments), dag, group)
