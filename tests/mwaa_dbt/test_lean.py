"""The short way to make and connect operators gives what Cosmos' and Airflow's own way gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, Label
from airflow.serialization.serialized_objects import DagSerialization
from mwaa_dbt import node_operators, operators
from mwaa_dbt.lean import LeanOperator

from tests.mwaa_dbt import rendering

GROUPS = [
    {"group_id": "seeds", "select": ["resource_type:seed"]},
    {"group_id": "rest", "exclude": ["resource_type:seed"]},
]
# What hangs on an operator without being its own, and what says which way it was made.
NOT_COMPARED = {"_dag", "task_group", "_BaseOperator__init_kwargs", "lean", "_resolve", "profile_config", "params"}
CLASSES = [
    node_operators.DbtRunVirtualenvOperator,
    node_operators.DbtTestVirtualenvOperator,
    node_operators.DbtSeedVirtualenvOperator,
    node_operators.DbtSnapshotVirtualenvOperator,
    node_operators.DbtBuildVirtualenvOperator,
    node_operators.DbtSourceVirtualenvOperator,
    node_operators.DbtRunOperationVirtualenvOperator,
]


def attributes(task: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(task).items() if name not in NOT_COMPARED}


def render(monkeypatch: pytest.MonkeyPatch, lean: bool, behavior: str) -> DAG:
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__LEAN", str(lean))
    return rendering.ours("zoo", behavior, GROUPS, form=True, chain=True)


@pytest.mark.parametrize("operator", CLASSES, ids=lambda operator: operator.__name__)
def test_an_operator_has_every_attribute_of_the_stock_constructors(operator: type[LeanOperator]) -> None:
    given = {
        "project_dir": "/tmp/zoo",
        "profile_config": operators.profile_config("zoo", "dev"),
        "select": "a b",
        "vars": {"a": "1"},
        "pool": "warehouse",
        "retries": 3,
        "install_deps": False,
        "extra_context": {"dbt_node_config": {"unique_id": "model.zoo.a"}},
        "default_args": {"owner": "somebody", "quiet": True},
        **({"full_refresh": True} if "full_refresh" in operator.command_args else {}),
        **({"macro_name": "m", "args": {"a": 1}} if "macro_name" in operator.command_args else {}),
        **({"on_warning_callback": print} if "on_warning_callback" in operator.command_args else {}),
    }
    stock, lean = (operator(task_id="a", lean=lean, **given) for lean in (False, True))
    # extract_issues and the like are annotations in Cosmos' constructors, not attributes.
    assert attributes(lean) == attributes(stock)
    assert lean.quiet, "arguments of dbt come from default_args as well"


def test_an_argument_that_nobody_knows_is_refused() -> None:
    with pytest.raises(TypeError, match="selct"):
        node_operators.DbtRunVirtualenvOperator(
            task_id="a", project_dir="/tmp", profile_config=operators.profile_config("zoo", "dev"), selct="a"
        )


@pytest.mark.parametrize("behavior", ["after_each", "build", "after_all"])
def test_a_dag_is_serialized_alike(dbt_root: Path, monkeypatch: pytest.MonkeyPatch, behavior: str) -> None:
    short, stock = (DagSerialization.to_dict(render(monkeypatch, lean, behavior)) for lean in (True, False))
    assert len(short["dag"]["tasks"]) > 10
    assert by_id(short) == by_id(stock)
    assert short["dag"]["task_group"] == stock["dag"]["task_group"]


def by_id(serialized: dict[str, Any]) -> dict[str, Any]:
    tasks = {task["__var"]["task_id"]: task["__var"] for task in serialized["dag"]["tasks"]}
    for task in tasks.values():
        for relatives in ("downstream_task_ids", "upstream_task_ids"):
            task[relatives] = sorted(task.get(relatives, []))
    return tasks


def test_labelled_edges_keep_their_label(dbt_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for lean in (True, False):
        dag = render(monkeypatch, lean, "after_each")
        dag.get_task("seeds.raw_customers.seed") >> Label("nightly") >> dag.get_task("rest.fct_orders.run")
        found.append((dag.edge_info, dag.get_task("rest.fct_orders.run").upstream_task_ids))
    assert found[0] == found[1]
    assert "nightly" in str(found[0])
