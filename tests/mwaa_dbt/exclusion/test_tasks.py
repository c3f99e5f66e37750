"""A DAG's first task waits for its turn; every other task makes sure of it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException
from mwaa_dbt import DbtProject, Guard, WaitForTurn
from mwaa_dbt.alerts import alerting_defaults
from mwaa_dbt.errors import ConfigurationError, TurnRefused
from mwaa_dbt.exclusion import turn
from mwaa_dbt.exclusion.store import Store

from airflow.sdk import DAG  # isort: skip
from tests.mwaa_dbt.exclusion.conftest import Airflow


@pytest.fixture(autouse=True)
def _patience(s3: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__LOCK_GRACE", "0")
    caplog.set_level(logging.INFO, logger="mwaa_dbt.exclusion")


def poke(context: dict[str, Any]) -> bool:
    return WaitForTurn(task_id="wait_for_turn", lock="flights").poke(context)  # type: ignore[arg-type]


def may_work(context: dict[str, Any]) -> bool:
    try:
        Guard("flights")(context)  # type: ignore[arg-type]
    except AirflowRescheduleException:
        return False
    return True


def test_one_works_the_other_waits_and_says_for_whom(airflow: Airflow, caplog: pytest.LogCaptureFixture) -> None:
    init, transform = airflow.context("init"), airflow.context("transform")
    assert poke(init)
    assert may_work(init)
    assert not poke(transform)
    assert not may_work(transform), "as if wait_for_turn had been marked as successful"
    assert "for init (r), there since 20" in caplog.text
    assert "gives up at" in caplog.text


def test_the_next_comes_at_once_after_a_good_end(airflow: Airflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__LOCK_GRACE", "1000")
    init, transform = airflow.context("init"), airflow.context("transform")
    assert poke(init)
    turn.finish("flights", init)  # type: ignore[arg-type]
    assert not poke(transform), "its run hasn't ended yet"
    airflow.running.remove(("init", "r"))
    assert poke(transform)


@pytest.mark.parametrize("cleared", [0, 1])
def test_a_run_ended_from_outside_is_given_its_grace(
    airflow: Airflow, monkeypatch: pytest.MonkeyPatch, cleared: int
) -> None:
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__LOCK_GRACE", "1000")
    init, transform = airflow.context("init", cleared=cleared), airflow.context("transform")
    assert poke(init)
    if cleared:
        turn.finish("flights", init)  # type: ignore[arg-type]
    airflow.running.remove(("init", "r"))
    assert not poke(transform)
    assert not poke(transform)
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__LOCK_GRACE", "0")
    assert poke(transform)


def test_a_task_of_an_ended_run_works_before_or_after_another_run(airflow: Airflow) -> None:
    assert poke(airflow.context("init"))
    turn.finish("flights", airflow.context("init"))  # type: ignore[arg-type]
    airflow.running.clear()
    transform = airflow.context("transform")
    assert poke(transform)
    cleared = airflow.context("init", cleared=1)
    assert not may_work(cleared), "transform works"
    turn.finish("flights", transform)  # type: ignore[arg-type]
    airflow.running.remove(("transform", "r"))
    assert may_work(cleared)
    assert not poke(airflow.context("transform", "r2")), "and now it is the cleared run's turn"


def test_a_queued_run_with_a_task_at_work_keeps_its_turn(airflow: Airflow) -> None:
    assert poke(airflow.context("init"))
    airflow.running.clear()
    airflow.busy.add(("init", "r"))
    assert not poke(airflow.context("transform"))
    airflow.busy.clear()
    assert not poke(airflow.context("transform")), "seen ended"
    assert poke(airflow.context("transform"))


def test_who_came_first_goes_first_unless_it_stopped_asking(airflow: Airflow, monkeypatch: pytest.MonkeyPatch) -> None:
    assert poke(airflow.context("a"))
    assert not poke(airflow.context("b"))
    assert not poke(airflow.context("c"))
    turn.finish("flights", airflow.context("a"))  # type: ignore[arg-type]
    airflow.running.discard(("a", "r"))
    assert not poke(airflow.context("c"))
    now = turn.time.time()
    monkeypatch.setattr(turn.time, "time", lambda: now + 130)
    assert poke(airflow.context("c"))
    assert not poke(airflow.context("b"))


def test_it_gives_up_after_the_limit_and_leaves_the_line(airflow: Airflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__LOCK_LIMIT", "3600")
    assert poke(airflow.context("init"))
    assert not poke(airflow.context("transform"))
    airflow.paused.add("init")
    late = airflow.context("transform", since=datetime.now(tz=UTC) - timedelta(hours=1))
    with pytest.raises(TurnRefused, match=r"Waited 1:00:00 .*'flights'.*init \(r\), there since.*init is paused") as no:
        poke(late)
    assert isinstance(no.value, AirflowFailException), "no retry"
    assert Store("flights").read().lease.waiting == ()
    with pytest.raises(TurnRefused):
        may_work(late)


def test_nobody_works_while_the_bucket_or_airflow_cant_be_asked(
    airflow: Airflow, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    init, transform = airflow.context("init"), airflow.context("transform")
    assert poke(init)
    airflow.away = True
    airflow.running.clear()
    assert not poke(transform)
    assert "the API server is away" in caplog.text
    airflow.away = False
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        assert not poke(transform)
        assert "can't be reached" in caplog.text
        turn.finish("flights", init)  # type: ignore[arg-type]
        assert "could not be written" in caplog.text
    assert not poke(transform), "seen ended only now"
    assert poke(transform)


def test_without_a_bucket_it_fails_in_words(airflow: Airflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW__MWAA_DBT__BUCKET")
    with pytest.raises(ConfigurationError, match=r"\[mwaa_dbt\] bucket is not set"):
        poke(airflow.context("init"))


def test_the_usual_task_asks_the_bucket_nothing(airflow: Airflow, monkeypatch: pytest.MonkeyPatch) -> None:
    assert poke(airflow.context("init"))
    monkeypatch.setattr(turn, "look", lambda *_: pytest.fail("asked"))
    assert may_work(airflow.context("init"))


def test_the_tasks_of_a_dag_with_a_lock(dbt_root: Path) -> None:
    project = DbtProject("zoo", lock="flights")
    with DAG("d", schedule=None, params=project.run_params(), default_args=alerting_defaults()) as dag:
        project.task_group("all")
        project.run_operation("after", "macro")
    assert [task.task_id for task in dag.get_task("select_nodes").downstream_list] == ["wait_for_turn"]
    wait, outcome = dag.get_task("wait_for_turn"), dag.get_task("outcome")
    assert wait.mode == "reschedule", "no slot while it waits"
    assert wait.has_on_failure_callback
    assert outcome.lock == "flights"
    unguarded = {task.task_id for task in dag.tasks if not isinstance(task._pre_execute_hook, Guard)}
    # The ephemeral models run nothing.
    assert {one for one in unguarded if hasattr(dag.get_task(one), "build_cmd")} == {"on_run_end"}
    assert isinstance(dag.get_task("on_run_end").guard, Guard), "asked by itself, after a look at the run"


def test_a_dag_without_the_form_has_first_and_last_task_too(dbt_root: Path) -> None:
    project = DbtProject("zoo", lock="flights")
    with DAG("d", schedule=None) as dag:
        project.task_group("all")
    assert [task.task_id for task in dag.roots] == ["wait_for_turn"]
    assert [task.task_id for task in dag.leaves] == ["outcome"]


@pytest.mark.parametrize(
    ("form", "locks", "words"),
    [
        (False, ("a", "b"), "one DAG, one lock"),
        (False, ("a", "a"), "one DAG, one lock"),
        (False, ("a", None), "one DAG, one lock"),
        (False, (None, "b"), "would work without the lock 'b'"),
        (True, (None, None), "trigger form, which is about one project's nodes"),
    ],
)
def test_a_second_project_beside_a_lock_or_a_form_is_refused_in_words(
    dbt_root: Path, form: bool, locks: tuple[str | None, str | None], words: str
) -> None:
    one, two = (DbtProject("zoo", lock=lock) for lock in locks)
    with DAG("d", schedule=None, params=one.run_params() if form else {}):
        one.task_group("a")
        with pytest.raises(ConfigurationError, match=words):
            two.task_group("b")


def test_two_projects_with_hooks_have_one_outcome(dbt_root: Path) -> None:
    with DAG("d", schedule=None) as dag:
        for group in "ab":
            DbtProject("zoo").task_group(group)
    assert [task.task_id for task in dag.leaves] == ["outcome"]
    assert dag.get_task("outcome").upstream_task_ids >= {"on_run_end", "on_run_end_zoo"}
