"""A cleared task asks again whether its run leaves it out; others ask nobody."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException, DownstreamTasksSkipped
from mwaa_dbt import left_out

XCOMS = {
    ("source_freshness", "stale"): {
        "sources": {"source.p.raw.one": "old"},
        "skipped": {"g.a": ["source.p.raw.one"]},
        "partly": {"g.p_test": ["x"]},
    },
    ("select_nodes", "unselected"): ["g.u"],
}


def nodes(task_id: str, *ids: str, cleared: int = 0, xcoms: Any = XCOMS, asks: int = 0, **params: Any) -> set[str]:
    asked: list[str] = []

    def xcom_pull(task_ids: str, key: str, map_indexes: int) -> Any:
        asked.append(task_ids)
        return xcoms.get((task_ids, key))

    ti = SimpleNamespace(task_id=task_id, xcom_pull=xcom_pull)
    context: Any = {"params": params, "ti": ti, "dag_run": SimpleNamespace(clear_number=cleared)}
    try:
        return left_out.nodes(ids, context)
    finally:
        assert len(asked) == asks


def test_a_cleared_task_below_a_stale_source_is_skipped_again_in_words() -> None:
    with pytest.raises(
        AirflowSkipException, match=r"Below a stale source \(source raw\.one: old\)\. Load it and clear"
    ):
        nodes("g.a", "model.p.a", cleared=1, asks=1, freshness=True)


def test_a_cleared_task_that_the_form_leaves_out_is_skipped_again() -> None:
    with pytest.raises(AirflowSkipException, match="The run's form leaves it out"):
        nodes("g.u", "model.p.u", cleared=2, asks=1, select="a")
    assert nodes("g.b", "model.p.b", cleared=2, asks=1, select=None, exclude="u") == set()
    assert nodes("g.u", "model.p.u", cleared=2, select=None) == set(), "the whole run: nothing is left out"


def test_other_tasks_go_on() -> None:
    assert nodes("g.b", "model.p.b", cleared=1, asks=1, freshness=True) == set()
    assert nodes("g.b", "model.p.b", cleared=1, asks=2, xcoms={}, freshness=True, select="b") == set()
    assert nodes("g.a", "model.p.a", cleared=1, freshness=False) == set()
    assert nodes("g.a", "model.p.a", cleared=1) == set()


def test_in_a_whole_run_of_which_nothing_was_cleared_nobody_is_asked() -> None:
    assert nodes("g.a", "model.p.a", freshness=True) == set()


def test_in_a_partial_run_a_task_asks_whoever_marked_the_first_ones_as_successful() -> None:
    assert nodes("g.a", "model.p.a", asks=1, freshness=True, select="a") == set()
    with pytest.raises(AirflowSkipException, match="The run's form leaves it out"):
        nodes("g.u", "model.p.u", asks=1, select="a")


def skipped(also: tuple[str, ...] = (), **params: Any) -> list[str]:
    ti = SimpleNamespace(xcom_pull=lambda task_ids, key, map_indexes: XCOMS.get((task_ids, key)))
    context: Any = {"params": params, "ti": ti}
    try:
        left_out.skip(context, also)
    except DownstreamTasksSkipped as left:
        return list(left.tasks)
    return []


def test_skipped_is_what_the_form_leaves_out_and_what_hangs_below_stale_sources() -> None:
    assert skipped() == []
    assert skipped(("g.a",)) == ["g.a"]
    assert skipped(("g.a", "g.u"), select="a") == ["g.u", "g.a"]
    assert skipped(exclude="u") == ["g.u"]


def test_a_task_about_several_nodes_loses_some() -> None:
    assert nodes("g.p_test", "x", "y", asks=1, freshness=True) == {"x"}
