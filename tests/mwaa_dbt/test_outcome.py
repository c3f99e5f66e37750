"""The form's last task: a run with a failed task is a failed run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from mwaa_dbt.alerts import alerting_defaults
from mwaa_dbt.outcome import Outcome

from tests.mwaa_dbt import rendering


def poke(**states: str | None) -> bool:
    def get_task_states(dag_id: str, run_ids: list[str]) -> dict[str, Any]:
        assert (dag_id, run_ids) == ("d", ["r"])
        return {"r": states}

    ti = SimpleNamespace(dag_id="d", run_id="r", task_id="outcome", get_task_states=get_task_states)
    return Outcome(task_id="outcome").poke({"ti": ti})  # type: ignore[typeddict-item]


def test_success_and_skipped_are_fine() -> None:
    assert poke(a="success", b="skipped", outcome="running")


@pytest.mark.parametrize("state", ["running", "queued", "scheduled", "up_for_retry", "deferred", None])
def test_it_waits_for_what_has_not_ended(state: str | None) -> None:
    assert not poke(a="failed", b=state, outcome="running")


def test_what_failed_is_named_and_what_waited_for_it_isnt() -> None:
    with pytest.raises(AirflowFailException, match=r"^1 failed: b\."):
        poke(a="success", b="failed", c="upstream_failed", outcome="running")


def test_waiting_in_vain_is_a_failure_too() -> None:
    with pytest.raises(AirflowFailException, match=r"^1 failed: c\."):
        poke(a="success", c="upstream_failed")


def test_it_comes_last_always_runs_and_sends_no_alert(dbt_root: Path) -> None:
    dag = rendering.ours("zoo", form=True)
    outcome = dag.get_task("outcome")
    assert [task.task_id for task in dag.leaves] == ["outcome"]
    assert outcome.trigger_rule == "all_done"
    assert outcome.mode == "reschedule", "it holds no slot while it waits"
    assert not Outcome(task_id="x", default_args=alerting_defaults()).has_on_failure_callback
