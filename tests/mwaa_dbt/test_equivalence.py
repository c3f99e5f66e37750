"""A DAG from the render manifest is the one that stock Cosmos renders from dbt's whole manifest."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mwaa_dbt import rendering

BEHAVIORS = ("after_each", "build", "after_all", "none")
#: (project, select, exclude)
SELECTIONS = [
    ("zoo", (), ()),
    ("zoo", ("path:models/staging",), ()),
    ("zoo", ("tag:daily", "tag:money"), ("fct_slow",)),
    ("zoo", ("+rpt_sales",), ("resource_type:seed",)),
    ("zoo", ("config.materialized:table",), ()),
    ("zoo", ("package:toolbox",), ()),
    ("flights", (), ()),
    ("flights", ("path:models/marts",), ()),
    ("flights", (), ("resource_type:snapshot",)),
]


@pytest.fixture
def plain(workspace: Path) -> Path:
    """The dbt root, with no node saying of itself when its tests run: stock Cosmos has one behavior for all."""
    for name in ("zoo", "flights"):
        rendering.change_manifest(workspace / name, rendering.set_behaviors({}, everything=True))
    return workspace


@pytest.mark.parametrize("behavior", BEHAVIORS)
def test_same_tasks_groups_edges_and_commands_as_stock_cosmos(plain: Path, behavior: str) -> None:
    for name, select, exclude in SELECTIONS:
        group = {"group_id": "all", "select": select, "exclude": exclude}
        ours = rendering.picture(rendering.ours(name, behavior, [group]))
        stock = rendering.picture(rendering.stock(plain, name, behavior, select, exclude))
        assert ours == stock, (name, select, exclude)
        assert len(ours) > 1


def test_the_form_adds_one_task_before_everything_and_nothing_else(plain: Path) -> None:
    """What legitimately differs from stock Cosmos: the form's two tasks, the hooks', and the trigger rule."""
    with_form = rendering.ours("zoo", form=True)
    stock = rendering.stock(plain, "zoo", "after_each")
    assert set(with_form.task_ids) - set(stock.task_ids) == set(rendering.FRAME)
    assert rendering.picture(with_form) == rendering.picture(stock)

    after = with_form.get_task("on_run_start").get_flat_relative_ids(upstream=False)
    assert after - set(rendering.FRAME) == set(stock.task_ids)
    assert with_form.get_task("on_run_start").downstream_task_ids == {task.task_id for task in stock.roots}
    assert [task.task_id for task in with_form.tasks if "select_nodes" in task.upstream_task_ids] == ["on_run_start"]
    # An ephemeral model is an EmptyOperator, which Cosmos gives no arguments.
    dbt_tasks = [task for task in with_form.tasks if getattr(task, "node_ids", ())]
    assert {task.trigger_rule for task in dbt_tasks} == {"none_failed"}
    assert {task.trigger_rule for task in stock.tasks} == {"all_success"}


def test_the_zoo_has_every_kind_of_node(plain: Path) -> None:
    """The comparison is worth as much as what it compares."""
    commands = {task_id: task.command for task_id, task in rendering.picture(rendering.ours("zoo")).items()}
    assert commands["all.raw_customers.seed"][0] == "seed"
    assert commands["all.customers_history.snapshot"][0] == "snapshot"
    assert commands["all.int_ephemeral.run"] == ()
    assert commands["all.dim_customers_v1.run"] == ("run", "--select", "fqn:zoo.marts.dim_customers.v1")
    assert commands["all.toolbox_days.run"][0] == "run"
    assert commands["all.stg_customers.test"][:3] == ("test", "--select", "stg_customers")
    assert "all.assert_no_sale_is_lost_test" in commands
    assert not any("dim_retired" in task_id or "look" in task_id for task_id in commands)


def test_operator_arguments_of_a_nodes_meta_reach_its_tasks(dbt_root: Path) -> None:
    task = rendering.ours("zoo").get_task("all.fct_orders.run")
    assert (task.retries, task.pool, task.owner) == (5, "warehouse", "carla")
    assert rendering.ours("zoo").get_task("all.fct_orders.test").retries == 5
