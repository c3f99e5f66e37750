"""Nothing is broken: one day is loaded and transformed, loaded again, and a few more by a backfill."""

import json
from typing import Any

import pytest

from tests.end_to_end.conftest import Demo
from tests.end_to_end.support import TRANSFORM, records, states, succeeded, until
from tests.local_environment import LocalEnvironment

pytestmark = pytest.mark.end_to_end

RAW = {
    "flights": "select * exclude (_loaded_at) from dev_raw.flights order by all",
    "weather": "select * exclude (_loaded_at) from dev_raw.weather order by all",
    "planes": "select * exclude (_loaded_at) from dev_raw.planes order by all",
}
BY_DAY = "select flight_date::varchar, count(*) from dev_marts.fct_flights group by 1 order by 1"
FLIGHTS = {"2013-01-01": 842, "2013-01-02": 943, "2013-01-03": 914}


def raw(environment: LocalEnvironment) -> dict[str, list[tuple[Any, ...]]]:
    return {table: environment.query(sql) for table, sql in RAW.items()}


def test_one_day_goes_from_the_bucket_to_the_marts(green: Demo) -> None:
    assert green.status == 0, green.stderr
    assert green.data["succeeded"] is True
    assert states(green.load) == dict.fromkeys(("flights", "weather", "planes", "loaded"), "success")
    assert green.transform.run_id.startswith("asset_triggered__")
    # Docs are production's alone.
    assert {task for task, state in states(green.transform).items() if state != "success"} == {"docs"}
    assert states(green.transform)["docs"] == "skipped"
    assert green.data["messages"] == []


def test_every_node_has_its_task(environment: LocalEnvironment, green: Demo) -> None:
    manifest = json.loads((environment.source / "dbt/flights/build/manifest.json").read_text())
    nodes = {n["name"] for n in manifest["nodes"].values() if n["resource_type"] in ("model", "seed", "snapshot")}
    tasks = set(states(green.transform))
    for name in nodes:
        assert any(task.split(".")[-1].startswith(name) or f".{name}." in task for task in tasks), name


def test_the_marts_make_sense(environment: LocalEnvironment, green: Demo) -> None:
    def one(sql: str) -> Any:
        return environment.query(sql)[0][0]

    assert green.data["marts"]["fct_flights"]["rows"] == 842
    assert one("select sum(flights) from dev_marts.carrier_days") == 842
    assert one("select sum(flights) from dev_marts.routes") == 842
    assert one("select count(*) from dev_marts.airlines") == 16
    assert one("select count(distinct origin_code) from dev_marts.routes") == 3
    assert one("select min(on_time_share) >= 0 and max(on_time_share) <= 1 from dev_marts.on_time_performance")
    assert one("select count(*) from dev_snapshots.planes_history") == one("select count(*) from dev_raw.planes")


def test_a_task_runs_what_dbt_says_and_shows_its_sql(environment: LocalEnvironment, green: Demo) -> None:
    task = next(t for t in green.transform.tasks if t["task_id"] == "marts.routes.run")
    assert task["operator"] == "DbtRunVirtualenvOperator"
    assert 'from "flights_dev"."dev_marts"."fct_flights"' in task["rendered_fields"]["compiled_sql"]
    events = [str(record["event"]) for record in records(environment, green.transform, "marts.routes.run")]
    done = [event for event in events if "OK created sql table model dev_marts.routes" in event]
    assert len(done) == 1, events
    assert "\x1b" not in environment.log(green.transform, "marts.routes.run")


@pytest.mark.long
def test_days_in_any_order_and_again_give_the_same_tables(environment: LocalEnvironment, green: Demo) -> None:
    first = raw(environment)
    api = environment.api
    api.patch(f"/dags/{TRANSFORM}", {"is_paused": True})  # four loads, and nobody waits for four transformations
    try:
        for day in ("2013-01-03", "2013-01-01", "2013-01-02"):
            assert succeeded(environment.run("flights_load", day=day))
        unordered = raw(environment)
        assert len(unordered["flights"]) == sum(FLIGHTS.values())
        of_first_day = [row for row in unordered["flights"] if row in set(first["flights"])]
        assert of_first_day == first["flights"]
        assert unordered["planes"] == first["planes"]
        backfill(environment, "2013-01-01", "2013-01-03")
        assert raw(environment) == unordered
        backfill_by_command(environment, "2013-01-02")
        assert raw(environment) == unordered
    finally:
        api.patch(f"/dags/{TRANSFORM}", {"is_paused": False})
    # With the two that its relationship tests look into.
    assert succeeded(environment.run(TRANSFORM, {"select": "fct_flights aircraft airports"}))
    assert dict(environment.query(BY_DAY)) == FLIGHTS


def backfill(environment: LocalEnvironment, first: str, last: str) -> None:
    """Load days again as the form in the UI and `airflow backfill create` do, and wait."""
    body = {
        "dag_id": "flights_load",
        "from_date": f"{first}T00:00:00Z",
        "to_date": f"{last}T00:00:00Z",
        "reprocess_behavior": "completed",
        "max_active_runs": 2,
    }
    made = environment.api.post("/backfills", body)
    until(lambda: environment.api.get(f"/backfills/{made['id']}")["completed_at"], limit=180, every=1)
    runs = environment.api.all("/dags/flights_load/dagRuns", "dag_runs", order_by="-id")
    mine = [run for run in runs if run["run_type"] == "backfill"]
    assert {run["state"] for run in mine} == {"success"}
    assert {run["data_interval_start"][:10] for run in mine} == set(FLIGHTS)


def backfill_by_command(environment: LocalEnvironment, day: str) -> None:
    """Load a day again by Airflow's own command line, through MWAA's endpoint, and wait."""
    before = {one["id"] for one in environment.api.all("/backfills", "backfills", dag_id="flights_load")}
    dates = ["--from-date", day, "--to-date", day, "--reprocess-behavior", "completed"]
    done = environment.airflow("backfill", "create", "--dag-id", "flights_load", *dates)
    assert done.returncode == 0, done.stderr
    (made,) = (
        one for one in environment.api.all("/backfills", "backfills", dag_id="flights_load") if one["id"] not in before
    )
    until(lambda: environment.api.get(f"/backfills/{made['id']}")["completed_at"], limit=180, every=1)
    runs = environment.api.all("/dags/flights_load/dagRuns", "dag_runs", order_by="-id")
    newest = next(run for run in runs if run["run_type"] == "backfill")
    assert (newest["state"], newest["data_interval_start"][:10]) == ("success", day)
