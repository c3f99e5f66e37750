"""A group of tests: each node's once, of several nodes once, and nothing that builds."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import DownstreamTasksSkipped
from mwaa_dbt import DbtProject

from tests.mwaa_dbt import rendering

GROUPS = {
    "seeds": ["resource_type:seed"],
    "staging": ["path:models/staging"],
    "rest": ["path:models/intermediate", "path:models/marts", "package:toolbox", "resource_type:snapshot"],
}
SHARED = "relationships_fct_orders_customer_id__customer_id__ref_stg_customers__test"


def dag_of(name: str, groups: dict[str, list[str]]) -> DAG:
    project = DbtProject(name)
    with DAG("compared", schedule=None, params=project.run_params(tests=True)) as dag:
        for group, select in groups.items():
            project.test_group(group, select=select)
    return dag


@pytest.fixture
def dag(dbt_root: Path) -> DAG:
    return dag_of("zoo", GROUPS)


def own(dag: DAG) -> dict[str, rendering.Task]:
    return rendering.picture(dag)


def test_every_node_with_tests_has_one_task_and_so_has_every_test_with_several_parents(dag: DAG) -> None:
    assert set(own(dag)) == {
        "seeds.raw_customers_test",
        "seeds.raw_orders_test",
        "staging.source_shop_visits_test",
        "staging.stg_customers_test",
        "staging.stg_orders_test",
        "staging.relationships_stg_orders_customer_id__customer_id__ref_stg_customers__test",
        # whatever their nodes say of when, but not `none` (dim_customers)
        "rest.int_ephemeral_test",
        "rest.int_paid_test",
        "rest.fct_orders_test",
        "rest.fct_divided_test",
        "rest.customers_history_test",
        "rest.toolbox_days_test",
        "rest.assert_no_sale_is_lost_test",
        f"rest.{SHARED}",
    }


def test_they_are_dbt_tests_that_wait_for_nothing_but_the_start(dag: DAG) -> None:
    tasks = own(dag).values()
    assert {task.command[0] for task in tasks} == {"test"}
    assert {task.operator for task in tasks} == {"DbtTestVirtualenvOperator"}
    assert {task.upstream for task in tasks} == {frozenset()}
    # A node's own arguments hold for its tests, too (config.meta.cosmos).
    retries = {task_id: dag.get_task(task_id).retries for task_id in own(dag)}
    assert {task_id: number for task_id, number in retries.items() if number} == {"rest.fct_orders_test": 5}
    hooks = {task_id: rendering.command(dag.get_task(task_id))[0] for task_id in ("on_run_start", "on_run_end")}
    assert hooks == {"on_run_start": "test", "on_run_end": "test"}


def test_a_nodes_task_runs_its_own_tests_and_not_those_it_shares(dag: DAG) -> None:
    command = own(dag)["rest.fct_orders_test"].command
    assert command[:3] == ("test", "--select", "fct_orders")
    assert "relationships_fct_orders" in command[4]
    assert own(dag)["staging.source_shop_visits_test"].command == ("test", "--select", "source:shop.visits")
    assert own(dag)["staging.stg_orders_test"].command[2] == "stg_orders"


def test_the_form_chooses_among_them(dag: DAG) -> None:
    skipped: dict[str, list[str]] = {}
    ti = SimpleNamespace(xcom_push=lambda key, value: skipped.update({key: value}), xcom_pull=lambda **kwargs: None)
    with contextlib.suppress(DownstreamTasksSkipped):  # raised if no other first task comes after it
        dag.get_task("select_nodes").execute({"params": {"select": "int_paid stg_visits"}, "ti": ti})
    assert set(own(dag)) - set(skipped["unselected"]) == {"rest.int_paid_test"}
    with contextlib.suppress(DownstreamTasksSkipped):
        dag.get_task("select_nodes").execute({"params": {"select": "source:shop.visits"}, "ti": ti})
    assert set(own(dag)) - set(skipped["unselected"]) == {"staging.source_shop_visits_test"}


def test_every_task_of_flights_is_the_one_that_a_worker_builds(dbt_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = {"staging": ["path:models/staging"], "marts": ["path:models/marts"]}
    whole = dag_of("flights", groups)
    smaller = 0
    for task in whole.tasks:
        monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", whole.dag_id)
        monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_TASK_ID", task.task_id)
        scoped = dag_of("flights", groups)
        mine = scoped.get_task(task.task_id)
        assert rendering.command(mine) == rendering.command(task)
        assert getattr(mine, "node_ids", ()) == getattr(task, "node_ids", ())
        smaller += len(scoped.tasks) < len(whole.tasks)
    assert smaller == len(whole.tasks) - 2, "all but the form's tasks are found by their node's line"


def test_the_same_tests_as_beside_the_models(dbt_root: Path) -> None:
    """What runs in the transforming DAG in whatever task runs here, and what is none doesn't."""
    project = DbtProject("flights")
    everything = {node for task in dag_of("flights", {"all": []}).tasks for node in getattr(task, "node_ids", ())}
    wanted = {uid for uid, node in project.manifest()["nodes"].items() if node["resource_type"] == "test"}
    assert everything == wanted
    assert len(wanted) > 50
    assert not any("aircraft_models" in test for test in wanted)
