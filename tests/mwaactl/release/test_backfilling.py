"""backfill: days again, followed to their ends."""

import json
from datetime import date, timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from mwaactl.commands import backfill as command
from mwaactl.errors import Problem
from mwaactl.release import backfilling
from mwaactl.release.backfilling import Backfill, Days
from mwaactl.release.steps import Steps
from tests.mwaactl.release.conftest import Place
from tests.mwaactl.release.mwaa import Refused

MONTH = Days(date(2013, 1, 1), date(2013, 1, 31))


class Airflow:
    """A DAG of days. Two runs of a backfill end each time it is asked; the last day's ends in `last`."""

    def __init__(
        self, place: Place, last: str = "success", params: dict[str, Any] | None = None, paused: bool = False
    ) -> None:
        self.asked: dict[str, Any] = {}
        self.under_way: list[int] = []
        self.unpaused = False
        self.ended, self.last = 0, last
        place.mwaa.rest.update(
            {
                ("GET", "/dags/load"): lambda query, body: {"dag_id": "load", "is_paused": paused},
                ("PATCH", "/dags/load"): self.unpause,
                ("GET", "/dags/load/details"): lambda query, body: {"params": params},
                ("POST", "/backfills/dry_run"): self.plan,
                ("POST", "/backfills"): self.create,
                ("POST", "/dags/~/dagRuns/list"): self.list,
            }
        )

    def days(self) -> list[str]:
        return [f"{MONTH.first + timedelta(days=number)}T00:00:00Z" for number in range(31)]

    def unpause(self, query: Any, body: dict[str, Any]) -> dict[str, Any]:
        self.unpaused = True
        return {}

    def plan(self, query: Any, body: dict[str, Any]) -> dict[str, Any]:
        return {"backfills": [{"logical_date": day} for day in self.days()], "total_entries": 31}

    def create(self, query: Any, body: dict[str, Any]) -> dict[str, Any]:
        if self.asked:
            detail = "There can be only one running backfill per Dag."
            raise Refused("RestApiClientException", "", RestApiStatusCode=409, RestApiResponse={"detail": detail})
        self.asked = body
        return {"id": 7}

    def list(self, query: Any, body: dict[str, Any]) -> dict[str, Any]:
        assert (body["logical_date_gte"], body["logical_date_lte"]) == (self.days()[0], self.days()[-1])
        runs = [
            {"dag_run_id": f"b{number}", "run_type": "backfill", "logical_date": day, "state": self.state(number)}
            for number, day in enumerate(self.days())
            if number not in self.under_way
        ]
        by_hand = {"dag_run_id": "m", "run_type": "manual", "logical_date": "2013-01-05T10:00:00Z", "state": "failed"}
        start = body["page_offset"]
        if start == 0:
            self.ended += 8
        return {"dag_runs": [*runs, by_hand][start : start + 20], "total_entries": len(runs) + 1}

    def state(self, number: int) -> str:
        if number >= self.ended:
            return "running" if number < self.ended + 2 else "queued"
        return self.last if number == 30 else "success"


def run(place: Place, monkeypatch: pytest.MonkeyPatch, limit: float = 30) -> Backfill:
    monkeypatch.setattr(backfilling.runs, "INTERVAL", 0.01)
    started = backfilling.start(place.environment, "load", MONTH, 4)
    return backfilling.follow(place.environment, started, Steps(lambda steps: None), limit)


def test_a_month_with_bounded_concurrency(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    airflow = Airflow(place)
    done = run(place, monkeypatch)
    assert airflow.asked == {
        "dag_id": "load",
        "from_date": "2013-01-01T00:00:00Z",
        "to_date": "2013-01-31T00:00:00Z",
        "max_active_runs": 4,
        "reprocess_behavior": "completed",
    }
    assert done.ended
    assert done.failed == []
    assert done.succeeded
    assert done.words() == "[====================] 31/31"
    data = done.as_data()
    assert (data["backfill"], data["from"], data["to"], len(data["runs"])) == (7, "2013-01-01", "2013-01-31", 31)
    assert data["runs"][0]["logical_date"] == "2013-01-01T00:00:00Z"


def test_a_day_that_failed_is_named(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    Airflow(place, last="failed")
    done = run(place, monkeypatch)
    assert done.failed == ["b30"]
    assert done.words().endswith("31/31, 1 failed")


def test_a_day_whose_own_run_goes_on_is_no_success(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow leaves such a day out of the backfill and says so of none (airflow/models/backfill.py, IN_FLIGHT)."""
    airflow = Airflow(place)
    airflow.under_way = [4]
    done = run(place, monkeypatch)
    assert done.ended
    assert done.failed == []
    assert done.left_out == ["2013-01-05T00:00:00Z"]
    assert not done.succeeded
    assert done.as_data()["left_out"] == done.left_out


def test_days_of_which_the_dag_has_none(place: Place) -> None:
    Airflow(place)
    place.mwaa.rest["POST", "/backfills/dry_run"] = lambda query, body: {"backfills": [], "total_entries": 0}
    with pytest.raises(Problem, match="load has no day from 2013-01-01 to 2013-01-31"):
        backfilling.start(place.environment, "load", MONTH, 4)


def test_a_question_unpauses_nothing(place: Place) -> None:
    airflow = Airflow(place, params={"first_day": {}}, paused=True)
    assert backfilling.has_window(place.environment, "load")
    assert not airflow.unpaused
    with pytest.raises(Problem, match="load is paused"):
        backfilling.start(place.environment, "load", MONTH, 4)
    assert not airflow.unpaused


def test_what_is_to_follow_is_looked_at_before_the_days_begin(place: Place) -> None:
    airflow = Airflow(place, params={"first_day": {}}, paused=True)
    with pytest.raises(Problem, match="load is paused"):
        backfilling.check_over_days(place.environment, "load", unpause=False)
    backfilling.check_over_days(place.environment, "load", unpause=True)
    assert not airflow.unpaused, "it would run beside the days"
    Airflow(place)
    with pytest.raises(Problem, match="load takes no first and last day"):
        backfilling.check_over_days(place.environment, "load", unpause=True)


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_is_done_is_printed_also_if_what_follows_cant_be(
    place: Place, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    Airflow(place)
    monkeypatch.setattr(backfilling.runs, "INTERVAL", 0.01)
    monkeypatch.setattr(command, "environment_of", lambda *_: place.environment)
    monkeypatch.setattr(backfilling, "check_over_days", lambda *_: None)

    def refuse(*_: Any) -> Any:
        raise Problem("transform is paused: its run would wait.")

    monkeypatch.setattr(command, "_window", refuse)
    days = ["--from", "2013-01-01", "--to", "2013-01-31", "--then", "transform"]
    done = CliRunner().invoke(command.backfill, ["load", "-e", "dev", *days, "--format", form])
    assert done.exit_code == 1
    assert "transform is paused" in done.stderr
    if form == "text":
        assert "load: 31 of 31 days succeeded" in done.stdout
    else:
        told = json.loads(done.stdout)
        assert not told["succeeded"]
        assert len(told["steps"][0]["runs"]) == 31


def test_one_that_does_not_end_and_a_second_one(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    Airflow(place)
    with pytest.raises(Problem, match=r"(?s)backfill of load has not ended after 0 s: .* 0/31, 2 running"):
        run(place, monkeypatch, limit=0)
    with pytest.raises(Problem, match=r"load refused the backfill: .*only one running backfill per Dag"):
        backfilling.start(place.environment, "load", MONTH, 4)


def test_days_that_end_before_they_start() -> None:
    with pytest.raises(Problem, match="ends before it starts: --from 2013-02-01 --to 2013-01-31") as error:
        Days(date(2013, 2, 1), date(2013, 1, 31))
    assert error.value.exit_code == 2
    Days(date(2013, 2, 1), date(2013, 2, 1))


def test_a_form_with_a_window(place: Place) -> None:
    Airflow(place, params={"first_day": {}, "last_day": {}})
    assert backfilling.has_window(place.environment, "load")
    assert backfilling.conf(MONTH) == {"first_day": "2013-01-01", "last_day": "2013-01-31"}
    Airflow(place)
    assert not backfilling.has_window(place.environment, "load")
