"""resume: which tasks of a failed run are cleared."""

from typing import Any

import pytest

from mwaactl.errors import Problem
from mwaactl.release import resuming
from mwaactl.release.resuming import Resumed
from tests.mwaactl.release.conftest import Place

#: When `select_nodes` ran, and with that what it left out; a person's hand comes later.
DECIDING, LATER = ("2026-11-01T06:00:00Z", "2026-11-01T06:00:03.5Z"), "2026-11-01T06:20:00.25Z"
LEFT_OUT = "2026-11-01T06:00:02.125Z"
PARTIAL = {"select_nodes": "success", "a": "success", "b": "failed", "c": "upstream_failed", "left": "skipped"}


class Airflow:
    """One DAG with one run, whose tasks are in `states`."""

    def __init__(self, place: Place, states: dict[Any, str | None], state: str = "failed") -> None:
        self.cleared: dict[str, Any] = {}
        self.states, self.state = states, state
        #: What was skipped by a person, and kinds of tasks.
        self.by_hand: set[str] = set()
        self.operators: dict[str, str] = {}
        place.mwaa.rest.update(
            {
                ("GET", "/dags/daily"): lambda query, body: {"dag_id": "daily", "is_paused": False},
                ("POST", "/dags/~/dagRuns/list"): self.list,
                ("POST", "/dags/~/dagRuns/~/taskInstances/list"): self.tasks,
                ("POST", "/dags/daily/clearTaskInstances"): self.clear,
            }
        )

    def list(self, query: Any, body: dict[str, Any]) -> dict[str, Any]:
        if self.state not in body.get("states", [self.state]):
            return {"dag_runs": [], "total_entries": 0}
        run = {"dag_run_id": "r1", "state": self.state, "start_date": None, "end_date": None}
        return {"dag_runs": [run], "total_entries": 1}

    def tasks(self, query: Any, body: dict[str, Any]) -> dict[str, Any]:
        found = []
        for key, state in self.states.items():
            name, index = key if isinstance(key, tuple) else (key, -1)
            start, end = DECIDING if name in resuming.DECIDERS and state == "success" else (LATER, LATER)
            if state == "skipped" and name not in self.by_hand:
                start = end = LEFT_OUT
            one = {"task_id": name, "map_index": index, "state": state, "start_date": start, "end_date": end}
            found.append({**one, "operator": self.operators.get(name, "BaseOperator")})
        return {"task_instances": found, "total_entries": len(found)}

    def clear(self, query: Any, body: dict[str, Any]) -> dict[str, Any]:
        self.cleared = body
        return {"task_instances": [], "total_entries": 0}

    def names(self) -> set[Any]:
        """The task instances that were cleared."""
        return {tuple(one) if isinstance(one, list) else one for one in self.cleared["task_ids"]}


def resume(place: Place, run_id: str | None = "r1", skipped: bool = False) -> Resumed:
    return resuming.resume(place.environment, "daily", run_id, skipped)


def test_what_failed_and_what_waited_for_it_and_the_outcome(place: Place) -> None:
    airflow = Airflow(place, {**PARTIAL, "outcome": "failed"})
    assert resume(place, None) == Resumed("r1", ("b", "c", "outcome"))
    assert airflow.cleared == {
        "dry_run": False,
        "dag_run_id": "r1",
        "only_failed": False,
        "task_ids": ["b", "c", "outcome"],
    }


def test_skipped_ones_too_if_asked_for_and_then_what_leaves_out_decides_again(place: Place) -> None:
    airflow = Airflow(place, {**PARTIAL, "source_freshness": "success", "outcome": "failed"})
    resume(place, skipped=True)
    assert airflow.names() == {"b", "c", "outcome", "left", "select_nodes", "source_freshness"}


def test_a_run_that_a_person_ended_has_skipped_what_had_not_begun(place: Place) -> None:
    airflow = Airflow(place, {**PARTIAL, "c": "skipped", "outcome": "skipped"})
    resume(place)
    assert airflow.names() == {"b", "c", "outcome", "left", "select_nodes"}


def test_an_ended_run_of_a_selection_whose_outcome_had_begun(place: Place) -> None:
    """Where the form leaves out what comes last, `outcome` looks from the start, and fails when the run is ended."""
    airflow = Airflow(place, {**PARTIAL, "c": "skipped", "outcome": "failed"})
    airflow.by_hand = {"c"}
    resume(place)
    assert airflow.names() == {"b", "c", "outcome", "left", "select_nodes"}


def test_one_that_waited_for_its_turn_and_looked_at_no_source(place: Place) -> None:
    states = {**PARTIAL, "wait_for_turn": "failed", "source_freshness": "skipped", "b": "skipped", "c": "skipped"}
    airflow = Airflow(place, {**states, "outcome": "failed"})
    airflow.by_hand = {"source_freshness", "b", "c"}
    resume(place)
    assert airflow.names() == set(states) - {"a"} | {"outcome"}


def test_what_skips_itself_is_no_persons_hand(place: Place) -> None:
    airflow = Airflow(place, {**PARTIAL, "docs": "skipped", "outcome": "failed"})
    airflow.by_hand, airflow.operators = {"docs"}, {"docs": "PublishDocs"}
    resume(place)
    assert airflow.names() == {"b", "c", "outcome"}


def test_an_outcome_that_succeeded_is_told_anew(place: Place) -> None:
    airflow = Airflow(place, {"a": "failed", "outcome": "success"})
    resume(place)
    assert airflow.names() == {"a", "outcome"}


def test_mapped_tasks_one_by_one(place: Place) -> None:
    airflow = Airflow(place, {("m", 0): "success", ("m", 1): "failed"})
    assert resume(place).tasks == ("m",)
    assert airflow.names() == {("m", 1)}


def test_nothing_to_resume_is_said(place: Place) -> None:
    Airflow(place, {"a": "success", "b": "skipped", "outcome": "success"}, state="success")
    with pytest.raises(Problem, match="In daily r1 nothing failed"):
        resume(place)
    with pytest.raises(Problem, match="No run of daily has failed"):
        resume(place, None)
    Airflow(place, PARTIAL, state="running")
    with pytest.raises(Problem, match=r"daily r1 is running: it hasn't ended"):
        resume(place)
