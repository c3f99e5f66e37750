"""trigger, wait and the REST API behind them."""

from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from mwaactl.errors import Problem
from mwaactl.release import runs
from mwaactl.release.rest import Rest, RestError
from mwaactl.release.steps import Steps
from tests.mwaactl.release.conftest import Place
from tests.mwaactl.release.mwaa import Refused


class Airflow:
    """One DAG whose run goes through `states`, a step each time it is asked for."""

    def __init__(self, place: Place, states: list[str], paused: bool = False) -> None:
        self.states, self.paused, self.conf, self.run_id = states, paused, None, ""
        self.date: str | None = None
        self.taken: list[str | None] = []
        self.lost = self.silent = False
        place.mwaa.rest.update(
            {
                ("GET", "/dags/daily"): lambda query, body: {"dag_id": "daily", "is_paused": self.paused},
                ("PATCH", "/dags/daily"): self.patch,
                ("POST", "/dags/daily/dagRuns"): self.post,
                ("GET", "/dags/daily/dagRuns"): lambda query, body: {
                    "dag_runs": [{}] if query["run_id_pattern"] == self.run_id else []
                },
                ("POST", "/dags/~/dagRuns/list"): self.list,
                ("POST", "/dags/~/dagRuns/~/taskInstances/list"): self.tasks,
            }
        )

    def patch(self, query: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        self.paused = body["is_paused"]
        return {}

    def post(self, query: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        if body["conf"].get("bad"):
            detail = {"RestApiStatusCode": 400, "RestApiResponse": {"detail": "Invalid input for param bad"}}
            raise Refused("RestApiClientException", "", **detail)
        if self.silent:
            self.run_id = body["dag_run_id"]
            raise Refused("RestApiServerException", "", RestApiStatusCode=504, RestApiResponse={"detail": "10 s"})
        if body["logical_date"] in self.taken:  # Airflow 3 wants the key
            raise Refused("RestApiClientException", "", RestApiStatusCode=409, RestApiResponse={"detail": "exists"})
        self.conf, self.run_id, self.date = body["conf"], body["dag_run_id"], body["logical_date"]
        if self.lost:
            self.taken.append(self.date)
            raise Refused("RestApiClientException", "", RestApiStatusCode=409, RestApiResponse={"detail": "exists"})
        return {"dag_run_id": self.run_id}

    def list(self, query: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        assert body["dag_ids"] == ["daily"]
        mine = {"dag_run_id": self.run_id, "state": self.states[0], "start_date": None, "end_date": None}
        others = [{"dag_run_id": f"other-{number}", "state": "success"} for number in range(150)]
        start = body.get("page_offset", 0)
        return {"dag_runs": [*others, mine][start : start + 100], "total_entries": 151}

    def tasks(self, query: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        assert body["dag_run_ids"] == [self.run_id]
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        found = [
            {"task_id": f"t{number}", "map_index": -1, "state": state, "start_date": None} for number in range(130)
        ]
        start = body["page_offset"]
        return {"task_instances": found[start : start + 100], "total_entries": 130}


def wait(place: Place, run_id: str, limit: float = 30) -> runs.Run:
    return runs.wait(place.environment, "daily", run_id, Steps(lambda steps: None), limit, interval=0.05)


def test_a_run_is_started_with_its_parameters_and_followed_to_its_end(place: Place) -> None:
    airflow = Airflow(place, ["queued", "running", "running", "success"])
    run_id = runs.trigger(place.environment, "daily", {"select": "a+"})
    assert airflow.conf == {"select": "a+"}
    run = wait(place, run_id)
    assert run.succeeded
    assert len(run.tasks) == 130


def test_a_data_interval_goes_with_the_run_and_can_be_run_again(place: Place) -> None:
    airflow = Airflow(place, ["success"])
    day = ("2013-01-01T00:00:00Z", "2013-01-02T00:00:00Z")
    runs.trigger(place.environment, "daily", {}, interval=day)
    assert airflow.date == day[0]
    airflow.taken = [airflow.date]
    runs.trigger(place.environment, "daily", {}, interval=day)
    assert airflow.date
    assert airflow.date.startswith("2013-01-01T")
    assert airflow.date != day[0]
    with pytest.raises(Problem, match=r"refused the run.*409 exists"):
        runs.trigger(place.environment, "daily", {}, logical_date=day[0])


def test_a_request_whose_answer_was_lost_starts_no_second_run(place: Place) -> None:
    airflow = Airflow(place, ["success"])
    airflow.lost = True
    assert runs.trigger(place.environment, "daily", {}) == airflow.run_id


def test_a_failed_run_names_its_tasks(place: Place) -> None:
    Airflow(place, ["running", "failed"])
    run = wait(place, runs.trigger(place.environment, "daily", {}))
    assert not run.succeeded
    assert run.failed[:2] == ["t0", "t1"]


def test_a_paused_dag_is_not_left_waiting(place: Place) -> None:
    airflow = Airflow(place, ["success"], paused=True)
    with pytest.raises(Problem, match=r"(?s)daily is paused.*--unpause"):
        runs.trigger(place.environment, "daily", {})
    assert airflow.run_id == ""
    runs.trigger(place.environment, "daily", {}, unpause=True)
    assert airflow.run_id
    assert not airflow.paused


def test_an_unknown_dag_and_bad_parameters(place: Place) -> None:
    place.apply()
    with pytest.raises(Problem, match=r"(?s)dev has no DAG nightly.*The DAGs are: one, two"):
        runs.trigger(place.environment, "nightly", {})
    Airflow(place, ["success"])
    with pytest.raises(Problem, match=r"refused the run.*400 Invalid input for param bad"):
        runs.trigger(place.environment, "daily", {"bad": 1})


def test_an_answer_that_did_not_come_is_no_refusal(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    airflow = Airflow(place, ["success"])
    airflow.silent = True
    with pytest.raises(Problem, match=r"(?s)Nobody knows whether.*504 10 s.*Look before") as caught:
        runs.trigger(place.environment, "daily", {})
    # It may well have started.
    assert f"`mwaactl wait daily {airflow.run_id} -e dev`" in caught.value.next_step

    def cut(*_: object, **__: object) -> None:
        raise ReadTimeoutError(endpoint_url="https://env.airflow")

    original = Rest.call

    def call(self: Rest, method: str, path: str, *rest: Any, **more: Any) -> Any:
        if path.endswith("/dagRuns"):
            monkeypatch.setattr(self._client, "invoke_rest_api", cut)
        return original(self, method, path, *rest, **more)

    monkeypatch.setattr(Rest, "call", call)
    with pytest.raises(Problem, match=r"(?s)Nobody knows whether.*can't be reached.*mwaactl wait daily mwaactl__"):
        runs.trigger(place.environment, "daily", {})


def test_a_run_that_does_not_end_and_one_that_is_not_there(place: Place) -> None:
    Airflow(place, ["running"])
    run_id = runs.trigger(place.environment, "daily", {})
    with pytest.raises(Problem, match=rf"(?s)has not ended after 0 s.*mwaactl wait daily {run_id} -e dev"):
        wait(place, run_id, limit=0)
    with pytest.raises(Problem, match="daily has no run nope"):
        wait(place, "nope")


def test_a_name_too_long_for_mwaa(place: Place) -> None:
    with pytest.raises(Problem, match="has 65 characters; MWAA passes on paths of 64 at most"):
        Rest(place.environment).call("GET", "/" + "x" * 64)


def test_an_api_that_is_away_for_a_moment_is_asked_again(place: Place) -> None:
    airflow = Airflow(place, ["running", "success"])
    run_id = runs.trigger(place.environment, "daily", {})
    answers = iter([503, 200])
    there = airflow.list

    def sometimes(query: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        if next(answers, 200) == 503:
            detail = {"RestApiStatusCode": 503, "RestApiResponse": {"detail": "restarting"}}
            raise Refused("RestApiServerException", "", **detail)
        return there(query, body)

    place.mwaa.rest["POST", "/dags/~/dagRuns/list"] = sometimes
    assert wait(place, run_id).succeeded


def test_refusals_carry_airflows_words(place: Place) -> None:
    with pytest.raises(RestError, match="GET /nothing: 404 /nothing not found") as caught:
        Rest(place.environment).call("GET", "/nothing")
    assert not caught.value.temporary
