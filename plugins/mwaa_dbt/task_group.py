"""A DbtTaskGroup whose nodes each say when their tests run, on the operators of this library."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.sdk import DAG, BaseOperator, TaskGroup
from cosmos import DbtTaskGroup
from cosmos.airflow.graph import create_test_task_metadata, is_detached_test
from cosmos.config import ExecutionConfig, RenderConfig
from cosmos.constants import DbtResourceType, ExecutionMode, InvocationMode, TestBehavior, TestIndirectSelection
from cosmos.converter import DbtToAirflowConverter
from cosmos.dbt.graph import DbtNode

from mwaa_dbt import behavior, task_scope
from mwaa_dbt.cosmos_seam import RenderedProject
from mwaa_dbt.group_config import GroupConfig
from mwaa_dbt.node_tasks import converters, create


class ProjectTaskGroup(DbtTaskGroup):
    """One group of a project's nodes: a task per node, and its tests where the node wants them."""

    #: Whether tests with several parents wait for their parents' tasks.
    chained = True
    #: What a run of such groups is as a whole, to dbt's hooks.
    command = "build"

    def __init__(self, group_id: str, config: GroupConfig, **kwargs: Any) -> None:
        TaskGroup.__init__(self, group_id=group_id, **kwargs)
        self._lean = bool(config.operator_args.get("lean"))
        self.tasks_map: dict[str, BaseOperator | TaskGroup] = {}
        project, whole = self._scope(config)
        self.scoped = not whole
        if project is not None:  # otherwise a task of another group or DAG runs
            self._fill(config, project)

    def _fill(self, config: GroupConfig, project: RenderedProject) -> None:
        """Make the tasks of what `project` holds."""
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
            render_config=self._selection(config.render_config(converters(config, project))),
            operator_args=config.operator_args,
        )
        if not self.scoped:
            self._add_tests_after_all(config)

    def _selection(self, render_config: RenderConfig) -> RenderConfig:
        if self.scoped:
            # The node is of this group, or it had no task here; a selection would miss what was cut away.
            render_config.select, render_config.exclude = [], []
        return render_config

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

    def _add_dbt_project_hash_to_dag_docs(self, dag: DAG | None) -> None:
        # What Cosmos calls between reading the nodes and building the graph. It describes a task for each test, too,
        # and then makes none of those that run in the task of their node.
        super()._add_dbt_project_hash_to_dag_docs(dag)
        if self._lean:
            nodes = self.dbt_graph.filtered_nodes
            self.dbt_graph.filtered_nodes = {
                unique_id: node
                for unique_id, node in nodes.items()
                if node.resource_type != DbtResourceType.TEST or is_detached_test(node)
            }

    @property
    def nodes(self) -> dict[str, DbtNode]:
        """The rendered nodes by unique id, tests of their own tasks included."""
        return self.dbt_graph.filtered_nodes

    @cached_property
    def ancestors(self) -> set[str]:
        """The unique ids of everything that the group's nodes are made from, in this group or not."""
        nodes = self.dbt_graph.nodes
        found: set[str] = set()
        new = {unique_id for unique_id in self.tasks_map if not unique_id.startswith("test.")}
        while new:
            new = {parent for unique_id in new if unique_id in nodes for parent in nodes[unique_id].depends_on} - found
            found |= new
        return found

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
            task_args=config.task_args(),
            render_config=render_config,
        )
        leaves = [task for task in self.get_leaves() if isinstance(task, BaseOperator)]
        task = create(meta, self.dag, self, tuple(wanting), owner=None, resolve=config.resolve)
        for leaf in leaves:
            leaf >> task


def _after_all_id(config: GroupConfig) -> str:
    return f"{config.project.project_name}_test"
