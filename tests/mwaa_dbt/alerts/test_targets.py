"""Runs in one dbt target say nothing about another's; a refused form says nothing about any."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from mwaa_dbt import alerts
from mwaa_dbt.alerts import run_target, state
from mwaa_dbt.alerts.event import RunKey
from mwaa_dbt.alerts.store import Store
from mwaa_dbt.errors import ManifestError, SelectionError

from tests.mwaa_dbt.alerts.support import DAG, Slack, context, end, fail, form, task

SELECT = SimpleNamespace(task_id="select_nodes", owner="carla")
DBT = SimpleNamespace(task_id="load", profile_config=SimpleNamespace(target_name="dev"))
OLD = {"failing": {"marts.a.run": {"subject": "model a", "channel": "", "since": "r0", "run": "r0", "runs": 1}}}


def store() -> Store:
    """Return the bucket's alerts."""
    found = Store.of_settings()
    assert found is not None
    return found


def run(states: dict[str, str], run_id: str, target: str = "") -> None:
    """Let a run fail as `states` say, and end."""
    for name in (name for name, one in states.items() if one == "failed"):
        fail(name, run_id, target=target)
    end(states, run_id, target=target)


def select_nodes(error: Exception | None, run_id: str) -> None:
    """Let a run end of which only the form's task has run; it failed with `error`."""
    if error is not None:
        alerts.notify_failure(context(error, SELECT, run_id))
    found = {"select_nodes": "failed", "marts.a.run": "upstream_failed"}
    if error is None:
        found = dict.fromkeys(found, "success")
    ti = SimpleNamespace(get_task_states=lambda dag_id, run_ids: {run_id: found})
    dag = SimpleNamespace(dag_id=DAG, tasks=[SELECT], task_dict={})
    of_run = form(run_id, state="failed" if error else "success")
    alerts.notify_run_end({**of_run, "dag": dag, "ti": ti})  # type: ignore[typeddict-item]


def test_a_run_says_nothing_about_another_target(slack: Slack, bucket: str) -> None:
    run({"a": "failed"}, "of stage", "stage")
    run({"a": "failed"}, "of prod", "prod")
    assert "still failing" not in slack.heads[1].lower()
    assert "Still failing" not in slack.replies[-1]
    before = len(slack.messages)
    run({"a": "success"}, "of dev")
    assert len(slack.messages) == before, "nothing recovered"
    run({"a": "failed"}, "of stage again", "stage")
    assert "*still failing*, since run `of stage` (2 runs)" in slack.heads[2]
    assert "• model a (target stage), since run of stage (2 runs)" in slack.replies[-1]
    run({"a": "success"}, "prod mended", "prod")
    assert "*Recovered*\n• model a (target prod), which had failed since run of prod" in slack.heads[3]
    assert list(state.by_target(store().failing(DAG)[0])) == ["stage"]


def test_the_message_names_the_target(slack: Slack, bucket: str) -> None:
    fail("a", "r1", target="stage")
    alerts.notify_failure(context(None, DBT, "r2"))  # killed
    fail("a", "r3")  # no operator of dbt's, and no form
    assert ["*Target:* stage" in slack.heads[0], "*Target:* dev" in slack.heads[1]] == [True, True]
    assert "Target" not in slack.heads[2]
    end({"a": "failed"}, "r4", target="prod")  # no word came from it
    assert "*Target:* prod" in slack.heads[3]


@pytest.mark.parametrize(
    ("of", "asked", "of_run", "named"),
    [
        (task(), {"dag_run": SimpleNamespace(conf={}), "params": {}}, "dev", ""),
        (task(), {"dag_run": SimpleNamespace(conf={}), "params": {"target": "dev"}}, "dev", "dev"),
        (DBT, {"dag_run": SimpleNamespace(conf=None), "params": {}}, "dev", "dev"),
        (DBT, {"dag_run": SimpleNamespace(conf={"target": "stage"})}, "stage", "stage"),
        (DBT, {"params": {"target": "dev"}}, "", ""),  # the form's defaults: what was asked isn't known
        (DBT, {}, "", ""),
    ],
)
def test_what_airflow_says_of_the_target(of: Any, asked: dict[str, Any], of_run: str, named: str) -> None:
    assert run_target.of_run(asked) == of_run
    assert run_target.of_task(of, asked) == named


def test_an_operator_with_a_target_of_its_own_keeps_it_as_dbt_does() -> None:
    own = SimpleNamespace(profile_config=SimpleNamespace(target_name="audit"))
    assert run_target.of_task(own, form("r")) == "audit"
    assert run_target.of_task(own, form("r", "dev")) == "audit"
    assert run_target.of_task(own, form("r", "prod")) == "prod"


def test_a_run_whose_target_nobody_knows_changes_nothing(bucket: str) -> None:
    key, states = RunKey(DAG, "r1"), {"marts.a.run": "failed"}
    state.keep(store(), key, "prod", states, {}, [])
    state.keep(store(), key, "", {"marts.a.run": "success", "marts.b.run": "failed"}, {}, ["a note"])
    doc, _ = store().failing(DAG)
    assert {target: list(tasks) for target, tasks in state.by_target(doc).items()} == {"prod": ["marts.a.run"]}
    assert doc["said"] == ["a note"]
    assert state.known(doc, "") == {}


def test_airflow_says_nothing_of_the_run_but_its_failed_task_did(slack: Slack, bucket: str) -> None:
    fail("a", "r1", target="prod")
    ti = SimpleNamespace(get_task_states=lambda dag_id, run_ids: {"r1": {"marts.a.run": "failed"}})
    dag = SimpleNamespace(dag_id=DAG, tasks=[], task_dict={})
    alerts.notify_run_end({"dag": dag, "run_id": "r1", "ti": ti, "reason": "task_failure"})  # type: ignore[typeddict-item]
    assert list(state.by_target(store().failing(DAG)[0])) == ["prod"]


def test_a_document_without_targets_is_the_default_targets(slack: Slack, bucket: str) -> None:
    store().keep_failing(DAG, OLD, "")
    run({"a": "success"}, "of prod", "prod")
    assert slack.messages == []
    run({"a": "failed"}, "of dev")
    assert "*still failing*, since run `r0` (2 runs)" in slack.heads[0]
    run({"a": "success"}, "dev mended")
    assert "which had failed since run r0" in slack.heads[1]
    assert store().failing(DAG)[0] == {"targets": {}, "said": []}


def test_a_refused_form_is_told_but_not_remembered(slack: Slack, bucket: str) -> None:
    for number in (1, 2):
        select_nodes(SelectionError("The form has no field 'selekt'."), f"r{number}")
    assert all("The form has no field 'selekt'" in head for head in slack.heads)
    assert "still failing" not in "".join([*slack.heads, *slack.replies]).lower()
    told = len(slack.messages)
    select_nodes(None, "r3")
    assert len(slack.messages) == told
    select_nodes(None, "r2")  # cleared, after a release has the node that the form names
    assert "succeeded" in slack.replies[-1]
    assert "Recovered" not in slack.replies[-1]


def test_what_fails_in_the_same_task_for_another_reason_is_remembered(slack: Slack, bucket: str) -> None:
    select_nodes(ManifestError("No render manifest."), "r1")
    select_nodes(SelectionError("A typo."), "r2")
    select_nodes(ManifestError("No render manifest."), "r3")
    assert "*still failing*, since run `r1` (2 runs)" in slack.heads[2]
    select_nodes(None, "r4")
    assert "*Recovered*\n• task select_nodes, which had failed since run r1" in slack.heads[3]
