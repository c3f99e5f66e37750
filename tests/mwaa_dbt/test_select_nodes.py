"""The first task of a run finds out what the form leaves out; the last of the first tasks skips it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import DownstreamTasksSkipped
from mwaa_dbt import DbtProject
from mwaa_dbt.errors import SelectionError

from tests.mwaa_dbt import rendering

GROUPS = [
    {"group_id": "seeds", "select": ["resource_type:seed"]},
    {"group_id": "staging", "select": ["path:models/staging"]},
    {"group_id": "rest", "select": ["path:models/intermediate", "path:models/marts", "package:toolbox"]},
]


@pytest.fixture
def dag(dbt_root: Path) -> DAG:
    return rendering.ours("zoo", groups=GROUPS, form=True, chain=True)


def kept(dag: DAG, **params: Any) -> set[str]:
    """Return the ids of the tasks that are left to run (but the first one and ephemeral models)."""
    everything = {task.task_id for task in dag.tasks if getattr(task, "node_ids", ())}
    left_out: dict[str, list[str]] = {}
    ti = SimpleNamespace(xcom_push=lambda key, value: left_out.update({key: value}), xcom_pull=lambda **kwargs: None)
    with contextlib.suppress(DownstreamTasksSkipped):  # raised if no other first task comes after it
        dag.get_task("select_nodes").execute({"params": {"full_refresh": False, **params}, "ti": ti})
    return everything - set(left_out.get("unselected", ()))


def test_an_empty_form_skips_nothing(dag: DAG) -> None:
    assert len(kept(dag)) > 25
    assert kept(dag, select="", exclude=None) == kept(dag)


def test_a_node_runs_with_its_tests(dag: DAG) -> None:
    assert kept(dag, select="stg_customers") == {
        "staging.stg_customers.run",
        "staging.stg_customers.test",
        # eager: tests that another parent shares belong to the selection
        "staging.relationships_stg_orders_customer_id__customer_id__ref_stg_customers__test",
        "rest.relationships_fct_orders_customer_id__customer_id__ref_stg_customers__test",
    }


def test_excluded_tests_have_no_task_that_would_do_nothing(dag: DAG) -> None:
    assert kept(dag, select="stg_customers", exclude="resource_type:test") == {"staging.stg_customers.run"}
    assert "staging.stg_customers.test" in kept(dag, select="resource_type:test")


def test_a_form_with_a_field_that_nobody_knows_is_refused(dag: DAG) -> None:
    run = SimpleNamespace(conf={"selct": "stg_customers"})
    with pytest.raises(SelectionError, match=r"no field 'selct'\. Did you mean 'select'\?"):
        dag.get_task("select_nodes").execute({"params": {"full_refresh": False}, "dag_run": run})


def test_selection_and_exclusion_across_groups(dag: DAG) -> None:
    some = kept(dag, select="+fct_divided", exclude="resource_type:seed")
    assert some == {
        "staging.stg_orders_model_build",
        "staging.relationships_stg_orders_customer_id__customer_id__ref_stg_customers__test",
        "rest.int_paid_run",
        "rest.zoo_test",
        "rest.fct_divided.run",
        "rest.fct_divided.test",
    }


def test_an_excluded_nodes_tests_with_several_parents_are_left_out(dag: DAG) -> None:
    left_out = kept(dag) - kept(dag, exclude="stg_customers")
    assert left_out == {
        "staging.stg_customers.run",
        "staging.stg_customers.test",
        "staging.relationships_stg_orders_customer_id__customer_id__ref_stg_customers__test",
        "rest.relationships_fct_orders_customer_id__customer_id__ref_stg_customers__test",
    }


def test_a_test_with_several_parents_can_be_asked_for_alone(dag: DAG) -> None:
    assert kept(dag, select="assert_no_sale_is_lost") == {"rest.assert_no_sale_is_lost_test"}


def test_a_selection_that_leaves_nothing_is_refused(dag: DAG) -> None:
    with pytest.raises(SelectionError, match="leaves no task of this DAG") as error:
        kept(dag, select="fct_orders", exclude="+fct_orders+")
    assert "'fct_orders'" in str(error.value)
    with pytest.raises(SelectionError, match="leaves no task"):
        kept(dag, select="customers_history")  # a node of the project, but of no group of this DAG


@pytest.mark.parametrize("params", [{"select": "--x"}, {"exclude": "fct_nothing"}, {"vars": "x"}, {"full_refresh": 1}])
def test_a_bad_form_is_refused_in_words(dag: DAG, params: dict[str, Any]) -> None:
    with pytest.raises(SelectionError):
        kept(dag, **params)


def test_everything_waits_for_the_first_tasks_of_which_the_last_skips(dag: DAG) -> None:
    assert [task.task_id for task in dag.roots] == ["select_nodes"]
    assert dag.get_task("select_nodes").retries == 0
    first = [task for task in dag.tasks if hasattr(task, "leaves_out") and task.task_id != "on_run_end"]
    (last,) = [task for task in first if task.leaves_out]  # type: ignore[attr-defined]
    nodes = {task.task_id for task in dag.tasks if getattr(task, "node_ids", ())}
    assert nodes
    assert nodes <= {task.task_id for task in last.get_flat_relatives(upstream=False)}
    assert {task.task_id for task in last.get_flat_relatives(upstream=True)} == {t.task_id for t in first} - {
        last.task_id
    }


def test_where_nothing_else_comes_first_the_selection_skips(dbt_root: Path) -> None:
    with DAG("d", schedule=None, params=DbtProject("zoo", hooks="node").run_params()) as dag:
        DbtProject("zoo", hooks="node").task_group("all")
    ti = SimpleNamespace(xcom_push=lambda key, value: None, xcom_pull=lambda **kwargs: None)
    with pytest.raises(DownstreamTasksSkipped) as skipped:
        dag.get_task("select_nodes").execute({"params": {"select": "int_paid", "full_refresh": False}, "ti": ti})
    assert "all.int_paid_run" not in skipped.value.tasks
    assert "all.stg_orders_model_build" in skipped.value.tasks
