"""Tests apart from models, sources that are looked at first, and hooks once per run."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from mwaactl.local import follow
from mwaactl.local.follow import Run
from tests.end_to_end.conftest import Demo
from tests.end_to_end.support import (
    FIRST,
    TRANSFORM,
    alert_of,
    alerts_of,
    ran,
    source_files,
    states,
    succeeded,
    tries,
    until,
    words,
)
from tests.local_environment import LocalEnvironment

pytestmark = pytest.mark.end_to_end

TESTS = "flights_tests"
STAGING = {"select": "path:models/staging"}
HOOKS = """
on-run-start:
  - create table if not exists main.noted (what varchar)
  - insert into main.noted values ('start')
on-run-end:
  - >-
    insert into main.noted values
    ('end {{ schemas | join(",") }} {{ results | map(attribute="status") | sort | join(",") }}')
"""


@contextmanager
def changed(environment: LocalEnvironment, change: str, back: str) -> Iterator[None]:
    """Have other data in the warehouse for a while."""
    import duckdb

    def run(sql: str) -> None:
        with duckdb.connect(str(environment.layout.warehouse / "flights_dev.duckdb")) as database:
            database.execute(sql)

    run(change)
    try:
        yield
    finally:
        run(back)


def clear(environment: LocalEnvironment, run: Run, task_id: str, downstream: bool) -> Run:
    """Clear a task of a run as the UI does, and wait for the run's end."""
    body: dict[str, Any] = {"dry_run": False, "dag_run_id": run.run_id, "task_ids": [task_id], "only_failed": False}
    body |= {"include_downstream": downstream, "reset_dag_runs": True}
    environment.api.post(f"/dags/{run.dag_id}/clearTaskInstances", body)
    return follow.follow(environment.api, run.dag_id, run.run_id, limit=400)


def closing(environment: LocalEnvironment, run_id: str) -> str:
    """Return the message that says how the run ended."""
    return until(lambda: [t for t in alerts_of(environment, run_id) if "*succeeded*" in t or "*failed*" in t], 240)[-1]


def test_all_tests_and_no_model(environment: LocalEnvironment, green: Demo) -> None:
    run = environment.run(TESTS)
    assert succeeded(run)
    assert set(states(run).values()) == {"success"}
    commands = {t["task_id"]: t["operator"] for t in run.tasks if "." in t["task_id"]}
    assert set(commands.values()) == {"DbtTestVirtualenvOperator"}
    assert len(commands) == 31


def test_a_failing_test_is_told_and_fails_nothing_else(environment: LocalEnvironment, green: Demo) -> None:
    with changed(
        environment,
        "insert into dev_marts.routes by name"
        " select * replace ('twice' as destination_code) from dev_marts.routes limit 1",
        "delete from dev_marts.routes where destination_code = 'twice'",
    ):
        run = environment.run(TESTS, {"select": "routes airlines"})
    assert states(run)["marts.routes_test"] == "failed"
    assert states(run)["marts.airlines_test"] == "success"
    shared = "marts.relationships_fct_flights_carrier_code__carrier_code__ref_airlines__test"  # airlines is a parent
    assert ran(run) == {"select_nodes", "wait_for_turn", "marts.routes_test", "marts.airlines_test", shared}
    assert (run.state, tries(run, "marts.routes_test")) == ("failed", 1)
    text = alert_of(environment, run, "marts.routes_test")
    assert "unique_routes_route_id" in text
    assert "· 1 row" in text


STALE = "update dev_raw.flights set _loaded_at = _loaded_at - interval 9 day"
FRESH = "update dev_raw.flights set _loaded_at = _loaded_at + interval 9 day"
LATE = "update dev_raw.weather set _loaded_at = _loaded_at - interval 3 day"
EARLY = "update dev_raw.weather set _loaded_at = _loaded_at + interval 3 day"


def test_below_a_stale_source_nothing_runs_until_it_is_loaded(environment: LocalEnvironment, green: Demo) -> None:
    rest = {f"staging.stg_{name}_model_build" for name in ("airlines", "airports", "planes", "weather")}
    stale, shared = "staging.stg_flights_model_build", "marts.assert_flights_match_what_is_loaded_test"
    with changed(environment, f"{STALE}; {LATE}", f"{FRESH}; {EARLY}"):
        run = environment.run(TRANSFORM, STAGING)
        assert succeeded(run)
        assert ran(run) == FIRST | rest
        log = words(environment, run, "source_freshness")
        assert "source raw.flights: stale: its newest row is of " in log
        assert "9 days before; more than 7 days is too old. Tasks skipped below it: 2." in log, (
            "a model with its tests, and the test that it shares"
        )
        said = closing(environment, run.run_id)
        assert "source raw.flights" in said
        assert "9 days before; more than 7 days is too old" in said
        assert "source raw.weather" in said
        assert "raw.planes" not in said

        again = clear(environment, run, stale, downstream=False)
        assert states(again)[stale] == "skipped"
        assert "Below a stale source (source raw.flights: its newest row" in words(environment, again, stale)

        assert succeeded(environment.run(TRANSFORM, {"select": "stg_flights", "freshness": False}))
    loaded = clear(environment, run, "source_freshness", downstream=True)
    assert succeeded(loaded)
    # Cleared with downstream, but the run's form still leaves the others out.
    assert ran(loaded) == FIRST | rest | {stale, shared}


@pytest.mark.long
def test_hooks_once_around_a_run_in_which_a_model_fails(environment: LocalEnvironment, green: Demo) -> None:
    changes = {
        "dbt/flights/dbt_project.yml": lambda text: text + HOOKS,
        "dbt/flights/models/marts/airlines.sql": lambda _: "select no_such_column from {{ ref('stg_airlines') }}",
    }
    form = {"select": "routes airlines", "freshness": False}
    with source_files(environment, changes):
        try:
            run = environment.run(TRANSFORM, form)
        finally:
            noted = [row[0] for row in environment.query("select what from main.noted")]
    environment.up()
    assert run.state == "failed"
    assert states(run)["marts.airlines.run"] == "failed"
    assert states(run)["marts.routes.test"] == states(run)["on_run_start"] == states(run)["on_run_end"] == "success"
    start, end = noted
    assert start == "start"
    schemas, statuses = end.removeprefix("end ").split(" ")
    assert schemas == "dev_marts"
    assert statuses.split(",").count("error") == 1
    assert statuses.split(",").count("success") == 1
    assert {"pass", "skipped"} <= set(statuses.split(","))
    assert ran(run) >= {"on_run_start", "on_run_end", "marts.routes.run", "marts.routes.test"}
    after = environment.run(TRANSFORM, form)
    assert succeeded(after)
    assert "on_run_start" not in states(after)
