"""A task group of tests alone: what the data is worth, asked apart from building it."""

from __future__ import annotations

from collections import defaultdict

from cosmos.airflow.graph import identify_detached_nodes
from cosmos.config import ExecutionConfig
from cosmos.constants import DbtResourceType, TestBehavior
from cosmos.dbt.graph import DbtGraph, DbtNode

from mwaa_dbt import behavior
from mwaa_dbt.copies import Copies
from mwaa_dbt.cosmos_seam import RenderedProject
from mwaa_dbt.group_config import GroupConfig
from mwaa_dbt.node_tasks import NodeTests
from mwaa_dbt.task_group import ProjectTaskGroup


class NodeTestsGroup(ProjectTaskGroup):
    """A task for each node's and source's tests, ``<name>_test``, and for each test with several parents; no edges.

    Cosmos makes tests beside their nodes only (cosmos/airflow/graph.py, 1.15.1); it still reads and selects the nodes.
    """

    chained = False
    command = "test"

    def _fill(self, config: GroupConfig, project: RenderedProject) -> None:
        project.validate_project()
        render_config = self._selection(config.render_config())
        render_config.project_path = project.dbt_project_path
        self.dbt_graph = DbtGraph(
            project=project,
            execution_config=ExecutionConfig(dbt_project_path=project.dbt_project_path),
            render_config=render_config,
        )
        self.dbt_graph.load_from_dbt_manifest()
        self.dbt_graph.update_node_dependency()
        several: dict[str, DbtNode] = {}
        detached: dict[str, list[DbtNode]] = defaultdict(list)
        identify_detached_nodes(self.nodes, render_config, several, detached)
        tests = NodeTests(config, project, Copies() if config.operator_args.get("lean") else None)
        for unique_id, node in sorted(self.nodes.items()):
            if unique_id in several or _has_tests(node, tests, project.default_behavior):
                task_id = f"{_name(node)}_test"
                self.tasks_map[unique_id] = tests.task(node, task_id, self.dag, self, config.task_args(), detached)


def _has_tests(node: DbtNode, tests: NodeTests, default: TestBehavior) -> bool:
    if node.resource_type == DbtResourceType.TEST or not tests.own[node.unique_id]:
        return False
    return behavior.of(node.unique_id, node.config, default) is not TestBehavior.NONE


def _name(node: DbtNode) -> str:
    if node.resource_type == DbtResourceType.SOURCE:
        return f"source_{node.resource_name.replace('.', '_')}"
    return node.resource_name.split(".")[0] if node.resource_type == DbtResourceType.TEST else node.name
