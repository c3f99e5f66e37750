"""Makes the tasks of a dbt node: what Cosmos would build for it, as the node's own test behavior wants it.

Cosmos' node converters are the way in: for each node they are asked for the task or group to put in its place
(cosmos/airflow/graph.py:590-756, 1.15.1).
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from airflow.sdk import DAG, BaseOperator, TaskGroup
from cosmos.airflow.graph import create_task_metadata, create_test_task_metadata
from cosmos.config import RenderConfig
from cosmos.constants import DbtResourceType, ExecutionMode, TestBehavior, TestIndirectSelection
from cosmos.core.airflow import get_airflow_task
from cosmos.core.graph.entities import Task as TaskMetadata
from cosmos.dbt.graph import DbtNode

from mwaa_dbt import behavior, node_operators
from mwaa_dbt.copies import Copies
from mwaa_dbt.cosmos_seam import RenderedProject
from mwaa_dbt.errors import ManifestError
from mwaa_dbt.group_config import GroupConfig, Resolve

_STOCK_OPERATORS = "cosmos.operators.virtualenv."
_OPERATORS = f"{node_operators.__name__}."

#: Unique id of a node -> its tests with several parents, which get tasks of their own.
Detached = dict[str, list[DbtNode]]


def converters(config: GroupConfig, project: RenderedProject) -> dict[DbtResourceType, Callable[..., Any]]:
    """Return what makes a task or group of a node, and what makes a task of a test with several parents."""
    copies = Copies() if config.operator_args.get("lean") else None
    by_behavior: dict[TestBehavior, RenderConfig] = {}
    for each in TestBehavior:
        by_behavior[each] = config.render_config()
        by_behavior[each].test_behavior = each

    tests = NodeTests(config, project, copies)

    def convert_node(
        *,
        node: DbtNode,
        dag: DAG,
        task_group: TaskGroup,
        task_args: dict[str, Any],
        detached_from_parent: Detached,
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
            return create(meta, dag, task_group, (node.unique_id,), node.owner, copies=copies)
        with TaskGroup(group_id=node.name, parent_group=task_group, dag=dag) as group:
            task = create(meta, dag, group, (node.unique_id,), node.owner, copies=copies)
            task >> tests.task(node, "test", dag, group, task_args, detached_from_parent)
        return group

    def convert_detached_test(
        *,
        task_id: str,
        dag: DAG,
        task_group: TaskGroup,
        task_args: dict[str, Any],
        detached_from_parent: Detached,
        **_: Any,
    ) -> BaseOperator:
        # Cosmos passes the group's last node as `node` here (cosmos/airflow/graph.py, `_add_test_tasks`).
        node = _detached_test(task_id, detached_from_parent)
        return tests.task(node, task_id, dag, task_group, task_args, detached_from_parent)

    nodes = (DbtResourceType.MODEL, DbtResourceType.SEED, DbtResourceType.SNAPSHOT)
    return {**dict.fromkeys(nodes, convert_node), DbtResourceType.TEST: convert_detached_test}


class NodeTests:
    """Makes the tasks of tests: one of a node's own, or one of a test with several parents.

    Args:
        config: the group's.
        project: what the group renders.
        copies: makes a task from another of its kind.
    """

    def __init__(self, config: GroupConfig, project: RenderedProject, copies: Copies | None) -> None:
        self._project = project
        self._copies = copies
        self._render_config = config.render_config()

    @functools.cached_property
    def own(self) -> dict[str, list[str]]:
        """The tests of each node and source that have no other parent."""
        found: dict[str, list[str]] = defaultdict(list)
        for unique_id, node in self._project.rendered_manifest()["nodes"].items():
            parents = node["depends_on"]["nodes"]
            if node["resource_type"] == "test" and len(parents) == 1:
                found[parents[0]].append(unique_id)
        return found

    def task(
        self,
        node: DbtNode,
        task_id: str,
        dag: DAG,
        task_group: TaskGroup,
        task_args: dict[str, Any],
        detached: Detached,
    ) -> BaseOperator:
        """Return the task `task_id` of the tests of `node`, or of `node` itself if it is a test."""
        meta = create_test_task_metadata(
            task_id,
            ExecutionMode.VIRTUALENV,
            TestIndirectSelection.EAGER,
            task_args=task_args,
            node=node,
            render_config=self._render_config,
            detached_from_parent=detached,
        )
        if node.resource_name == node.package_name:
            # To dbt the bare name is the whole project; stock Cosmos tests all of it in this task.
            meta.arguments["select"] = f"fqn:{'.'.join(node.fqn or [node.resource_name])}"
        # Its tests, not the node: a run that leaves them all out skips the task.
        about = (node.unique_id,) if node.resource_type == DbtResourceType.TEST else tuple(self.own[node.unique_id])
        return create(meta, dag, task_group, about, node.owner, copies=self._copies)


def _detached_test(task_id: str, detached: Detached) -> DbtNode:
    for tests in detached.values():
        for node in tests:
            if f"{node.resource_name.split('.')[0]}_test" == task_id:
                return node
    # Cosmos numbers tests with longer names, in an order that differs between processes (cosmos#1469).
    names = sorted({n.resource_name for tests in detached.values() for n in tests if len(n.resource_name) >= 240})
    raise ManifestError(f"Tests with several parents need names under 240 characters (`name:` in the .yml): {names}")


def create(
    meta: TaskMetadata,
    dag: DAG,
    group: TaskGroup,
    node_ids: tuple[str, ...],
    owner: str | None,
    resolve: Resolve | None = None,
    copies: Copies | None = None,
) -> BaseOperator:
    """Return the task that Cosmos describes in `meta`, made by this library's operator of the same name.

    `node_ids` are the unique ids of the nodes it is about, `owner` theirs; `resolve` is for tasks about several nodes;
    `copies` makes it from another task of its kind.
    """
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
        arguments["resolve"] = resolve
    if copies is not None:
        arguments["extra_context"] = meta.extra_context
        return copies.make(getattr(node_operators, name), meta.id, dag, group, arguments)
    return get_airflow_task(replace(meta, operator_class=_OPERATORS + name, arguments=arguments), dag, group)
