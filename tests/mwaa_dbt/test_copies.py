"""Tasks that are copied are what the constructors would have made."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from airflow.exceptions import AirflowException
from airflow.sdk import DAG, BaseOperator, TaskGroup
from cosmos.airflow import graph
from cosmos.dbt.graph import DbtNode
from mwaa_dbt import DbtProject, copies, node_operators, operators

from tests.mwaa_dbt import rendering
from tests.mwaa_dbt.test_lean import GROUPS

Rendered = tuple[DAG, Counter[str]]


def render(monkeypatch: pytest.MonkeyPatch, copied: bool, behavior: str = "after_each") -> Rendered:
    """Return a DAG, and how many of its tasks were copied, by class."""
    made: Counter[str] = Counter()
    copy = copies._Kind.copy

    def counted(self: Any, *args: Any) -> BaseOperator:
        task = copy(self, *args)
        made[type(task).__name__] += 1
        return task

    with monkeypatch.context() as patch:
        patch.setattr(copies._Kind, "copy", counted)
        if not copied:
            patch.setattr(copies._Kind, "has", lambda *_: False)
        return rendering.ours("zoo", behavior, GROUPS, form=True, chain=True), made


def plain(value: Any) -> Any:
    """Return something that compares as the object means it."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, DAG | TaskGroup):
        return type(value).__name__, value.node_id if isinstance(value, TaskGroup) else value.dag_id
    if type(value).__name__ in ("ProfileConfig", "ConnectionProfileMapping"):
        return plain(vars(value))
    if type(value).__name__ == "ParamsDict":
        return value.dump()
    return value.__qualname__ if callable(value) and not isinstance(value, type) else value


@pytest.mark.parametrize("behavior", ["after_each", "build", "after_all"])
def test_a_copy_has_every_attribute(dbt_root: Path, monkeypatch: pytest.MonkeyPatch, behavior: str) -> None:
    copied, made = render(monkeypatch, True, behavior)
    constructed, none = render(monkeypatch, False, behavior)
    assert none.total() == 0
    assert made.total() > len(copied.tasks) / 3
    assert list(copied.task_dict) == list(constructed.task_dict)
    for task_id, task in copied.task_dict.items():
        assert plain(vars(task)) == plain(vars(constructed.task_dict[task_id])), task_id
    assert copied.task_group.get_task_group_dict().keys() == constructed.task_group.get_task_group_dict().keys()
    assert copied.task_group.used_group_ids == constructed.task_group.used_group_ids


def test_copies_share_nothing_that_can_be_changed(dbt_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = [
        task for task in render(monkeypatch, True)[0].tasks if isinstance(task, node_operators.DbtRunVirtualenvOperator)
    ][:2]
    first.params["only"] = 1
    first.inlets.append("only")
    first.executor_config["only"] = 1
    first.dbt_cmd_flags.append("--only")
    assert "only" not in second.params
    assert (second.inlets, second.executor_config, second.dbt_cmd_flags) == ([], {}, [])


def test_what_a_node_says_of_its_task_counts(dbt_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dag, _ = render(monkeypatch, True)
    own, other = dag.get_task("rest.fct_orders.run"), dag.get_task("rest.fct_divided.run")
    assert (own.retries, own.pool) == (5, "warehouse")
    assert (other.retries, other.pool) != (5, "warehouse")


def test_a_result_of_another_task_connects_each(dbt_root: Path) -> None:
    with DAG("d", schedule=None) as dag:
        before = BaseOperator(task_id="before")
        DbtProject("zoo").task_group("dbt", select=["resource_type:seed"], vars=before.output)
    seeds = [task for task in dag.tasks if isinstance(task, node_operators.DbtSeedVirtualenvOperator)]
    assert len(seeds) > 1
    assert all("before" in task.upstream_task_ids for task in seeds)


def test_a_name_that_is_no_task_id_or_taken_is_refused() -> None:
    arguments = {"project_dir": "/tmp", "profile_config": operators.profile_config("zoo", "dev"), "lean": True}
    with DAG("d", schedule=None) as dag, TaskGroup("g") as group:
        made = copies.Copies()
        for name in ("first", "copied"):
            made.make(node_operators.DbtRunVirtualenvOperator, name, dag, group, dict(arguments))
        for name, error in (("not fine", "alphanumeric"), ("copied", "already")):
            with pytest.raises((ValueError, AirflowException), match=error):
                made.make(node_operators.DbtRunVirtualenvOperator, name, dag, group, dict(arguments))


@pytest.mark.parametrize("lean", [True, False])
def test_cosmos_describes_no_task_that_is_not_made(dbt_root: Path, monkeypatch: pytest.MonkeyPatch, lean: bool) -> None:
    described: list[str] = []
    original = graph.create_task_metadata

    def describing(node: DbtNode, **kwargs: Any) -> Any:
        described.append(node.unique_id)
        return original(node=node, **kwargs)

    monkeypatch.setattr(graph, "create_task_metadata", describing)
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__LEAN", str(lean))
    rendering.ours("zoo", groups=GROUPS)
    tests = [unique_id for unique_id in described if unique_id.startswith("test.")]
    assert any("relationships" in test for test in tests), "a test with several parents has a task"
    assert any("not_null" in test for test in tests) is not lean
