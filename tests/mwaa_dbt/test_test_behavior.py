"""When a node's tests run: what each says of itself, and tests with several parents."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from airflow.sdk import DAG
from mwaa_dbt import DbtProject, behavior
from mwaa_dbt.errors import ManifestError

from tests.mwaa_dbt import rendering

STAGING = {"group_id": "staging", "select": ["path:models/staging"]}
MIDDLE = {"group_id": "middle", "select": ["path:models/intermediate"]}
MARTS = {"group_id": "marts", "select": ["path:models/marts"]}
CROSSING = "relationships_fct_orders_customer_id__customer_id__ref_stg_customers_"
SINGULAR = "assert_no_sale_is_lost"


def test_four_behaviors_in_one_project(dbt_root: Path) -> None:
    tasks = rendering.picture(rendering.ours("zoo"))

    # after_each, the project's default: a task of their own
    assert tasks["all.stg_customers.run"].command == ("run", "--select", "fqn:zoo.staging.stg_customers")
    assert tasks["all.stg_customers.test"].upstream == {"all.stg_customers.run"}
    assert tasks["all.customers_history.snapshot"].upstream == {"all.stg_customers.test"}
    # build: in the node's own
    assert tasks["all.stg_orders_model_build"].command[:3] == ("build", "--select", "fqn:zoo.staging.stg_orders")
    assert tasks["all.int_paid_run"].upstream == {"all.stg_orders_model_build"}
    # after_all: one task behind everything, with their tests only
    assert "all.int_paid.test" not in tasks
    assert tasks["all.int_paid_run"].command[0] == "run"
    last = tasks["all.zoo_test"]
    assert last.command[:3] == ("test", "--select", "int_paid")
    assert last.upstream >= {"all.fct_divided.test", "all.fct_slow_run", f"all.{SINGULAR}_test"}
    assert not [task_id for task_id, task in tasks.items() if "all.zoo_test" in task.upstream]
    # none
    assert tasks["all.dim_customers_v1_run"].command[0] == "run"
    assert not [task_id for task_id in tasks if "dim_customers" in task_id and "test" in task_id]


@pytest.mark.parametrize("default", ["after_each", "build", "after_all", "none"])
def test_a_nodes_own_word_beats_the_projects_default(workspace: Path, default: str) -> None:
    own = {"stg_customers": "after_each", "fct_orders": "build", "raw_customers": "none", "customers_history": "build"}
    rendering.change_manifest(workspace / "zoo", rendering.set_behaviors(own, everything=True))
    tasks = rendering.picture(rendering.ours("zoo", default))
    assert "all.stg_customers.test" in tasks
    assert tasks["all.fct_orders_model_build"].command[0] == "build"
    assert "all.raw_customers_seed" in tasks
    assert "all.raw_customers.test" not in tasks
    assert tasks["all.customers_history_snapshot_build"].command[0] == "build"
    assert ("all.zoo_test" in tasks) == (default == "after_all")
    assert ("all.fct_divided.test" in tasks) == (default == "after_each")


def test_a_test_with_several_parents_runs_once_when_all_have(dbt_root: Path) -> None:
    tasks = rendering.picture(rendering.ours("zoo"))
    crossing = tasks[f"all.{CROSSING}_test"]
    assert crossing.command == ("test", "--select", CROSSING)
    assert crossing.upstream == {"all.fct_orders.test", "all.stg_customers.test"}
    assert tasks[f"all.{SINGULAR}_test"].upstream == {"all.fct_orders.test", "all.rpt_sales_run"}
    # Nobody else runs it: every task about one of its parents leaves it out.
    for task_id in ("all.fct_orders.test", "all.stg_customers.test"):
        command = tasks[task_id].command
        assert CROSSING in command[command.index("--exclude") + 1].split()


@pytest.mark.parametrize("wish", ["after_all", "none"])
def test_a_test_with_several_parents_stays_while_one_of_them_wants_it(workspace: Path, wish: str) -> None:
    rendering.change_manifest(workspace / "zoo", rendering.set_behaviors({"stg_customers": wish}))
    assert f"all.{CROSSING}_test" in rendering.picture(rendering.ours("zoo"))

    rendering.change_manifest(workspace / "zoo", rendering.set_behaviors({"fct_orders": wish, "stg_customers": wish}))
    tasks = rendering.picture(rendering.ours("zoo"))
    assert f"all.{CROSSING}_test" not in tasks
    if wish == "after_all":
        last = tasks["all.zoo_test"].command
        excluded = last[last.index("--exclude") + 1].split() if "--exclude" in last else []
        assert CROSSING not in excluded


@pytest.mark.parametrize("order", list(itertools.permutations([STAGING, MIDDLE, MARTS])))
@pytest.mark.parametrize("chained", ["before", "after", "never"])
def test_parents_in_several_groups_made_in_any_order(
    dbt_root: Path, order: tuple[dict[str, object], ...], chained: str
) -> None:
    project = DbtProject("zoo")
    with DAG("d", schedule=None, params=project.run_params()) as dag:
        groups = {str(group["group_id"]): project.task_group(**group) for group in order}  # type: ignore[arg-type]
        if chained == "after":
            groups["staging"] >> groups["middle"] >> groups["marts"]
    if chained == "before":
        dag = _chained_while_made(order)
    dag.check_cycle()
    tasks = rendering.picture(dag)
    for name, parents in {
        CROSSING: {"marts.fct_orders.test", "staging.stg_customers.test"},
        SINGULAR: {"marts.fct_orders.test", "marts.rpt_sales_run"},
    }.items():
        (task_id,) = [task_id for task_id in tasks if task_id.endswith(f".{name}_test")]
        # edges between groups may add more, never fewer
        assert parents <= _all_upstream(tasks, task_id)
        runners = [t for t, task in tasks.items() if name in _selected(task.command)]
        assert runners == [task_id]
        # Nobody else runs it: tasks about one of its parents leave it out.
        parent_names = {"stg_customers", "fct_orders"} if name == CROSSING else {"fct_orders", "rpt_sales"}
        for task in tasks.values():
            if task.command and task.command[0] in ("test", "build") and _names(task.command) & parent_names:
                assert name in _excluded(task.command)


def _chained_while_made(order: tuple[dict[str, object], ...]) -> DAG:
    """Chain each pair of groups as soon as both exist, in the order in which data flows."""
    project = DbtProject("zoo")
    flow = ["staging", "middle", "marts"]
    groups: dict[str, object] = {}
    with DAG("d", schedule=None, params=project.run_params()) as dag:
        for group in order:
            name = str(group["group_id"])
            groups[name] = project.task_group(**group)  # type: ignore[arg-type]
            for before, after in itertools.combinations(flow, 2):
                if name in (before, after) and before in groups and after in groups:
                    groups[before] >> groups[after]  # type: ignore[operator]
    return dag


def _selected(command: tuple[str, ...]) -> list[str]:
    return command[command.index("--select") + 1].split() if "--select" in command else []


def _names(command: tuple[str, ...]) -> set[str]:
    return {name.rpartition(".")[2] for name in _selected(command)}


def _excluded(command: tuple[str, ...]) -> list[str]:
    return command[command.index("--exclude") + 1].split() if "--exclude" in command else []


def _all_upstream(tasks: dict[str, rendering.Task], task_id: str) -> set[str]:
    found: set[str] = set()
    new = {task_id}
    while new:
        new = {parent for one in new for parent in tasks[one].upstream} - found
        found |= new
    return found


def test_what_waited_for_a_removed_test_keeps_its_order(dbt_root: Path) -> None:
    from airflow.providers.standard.operators.empty import EmptyOperator

    project = DbtProject("zoo")
    with DAG("d", schedule=None) as dag:
        staging = project.task_group(**STAGING)  # type: ignore[arg-type]
        after_staging = EmptyOperator(task_id="after_staging")
        staging >> after_staging
        project.task_group(**MARTS)  # type: ignore[arg-type]
    dag.check_cycle()
    tasks = rendering.picture(dag)
    assert {"staging.stg_customers.test", "staging.stg_orders_model_build"} <= _all_upstream(tasks, "after_staging")
    assert [task_id for task_id in tasks if CROSSING in task_id] == [f"marts.{CROSSING}_test"]


def test_an_unknown_behavior_names_node_and_remedy(workspace: Path) -> None:
    rendering.change_manifest(workspace / "zoo", rendering.set_behaviors({"fct_orders": "later"}))
    with pytest.raises(ManifestError) as error:
        rendering.ours("zoo")
    words = str(error.value)
    assert "model.zoo.fct_orders" in words
    assert "'later'" in words
    assert "after_each, after_all" in words or "after_each" in words
    assert "models/marts/fct_orders.sql" in words


def test_the_behavior_of_a_node() -> None:
    default = behavior.TestBehavior.AFTER_EACH
    assert behavior.of("model.a.b", {}, default) is default
    assert behavior.of("model.a.b", {"meta": None}, default) is default
    assert behavior.of("model.a.b", {"meta": {"test_behavior": "none"}}, default) is behavior.TestBehavior.NONE
