"""Runs that ask for something: nodes, another target, a full refresh, vars; and runs that ask for nonsense."""

import json
from pathlib import Path
from typing import Any

import pytest

from mwaactl.local.api import ApiError
from tests.end_to_end.conftest import Demo
from tests.end_to_end.support import (
    FIRST,
    JUST_QUICK,
    QUICK_TASK,
    TRANSFORM,
    connection,
    ran,
    run_quick,
    states,
    succeeded,
    tries,
    words,
)
from tests.local_environment import LocalEnvironment

pytestmark = pytest.mark.end_to_end


def test_one_mart(environment: LocalEnvironment, green: Demo) -> None:
    run = environment.run(TRANSFORM, {"select": "routes"})
    assert succeeded(run)
    assert ran(run) == {*FIRST, "marts.routes.run", "marts.routes.test"}
    assert "1 of 1 OK created sql table model dev_marts.routes" in words(environment, run, "marts.routes.run")


def test_a_mart_with_some_of_its_ancestors_but_one(environment: LocalEnvironment, green: Demo) -> None:
    run = environment.run(TRANSFORM, {"select": "2+routes on_time_performance", "exclude": "int_flights_classified"})
    assert succeeded(run)
    assert ran(run) == {
        *FIRST,
        "marts.fct_flights.run",
        "marts.fct_flights.test",
        "marts.assert_flights_match_what_is_loaded_test",
        "marts.relationships_fct_flights_carrier_code__carrier_code__ref_airlines__test",
        "marts.relationships_fct_flights_destination_code__airport_code__ref_airports__test",
        "marts.relationships_fct_flights_tail_number__tail_number__ref_aircraft__test",
        "marts.routes.run",
        "marts.routes.test",
        "marts.on_time_performance.run",
        "marts.on_time_performance.test",
    }
    ended = {task["task_id"]: task["end_date"] for task in run.tasks}
    began = {task["task_id"]: task["start_date"] for task in run.tasks}
    assert ended["marts.fct_flights.test"] <= began["marts.routes.run"]


def test_a_full_refresh_builds_the_fact_table_anew(environment: LocalEnvironment, green: Demo) -> None:
    """A row that only the table has survives an incremental run, and no full refresh."""
    import duckdb

    file = environment.layout.warehouse / "flights_dev.duckdb"
    with duckdb.connect(str(file)) as database:
        database.execute(
            "insert into dev_marts.fct_flights by name select * replace ('ours' as flight_id, "
            "date '1999-01-01' as flight_date) from dev_marts.fct_flights limit 1"
        )
    ours = "select count(*) from dev_marts.fct_flights where flight_id = 'ours'"
    form = {"select": "fct_flights", "exclude": "resource_type:test"}
    assert succeeded(environment.run(TRANSFORM, form))
    assert environment.query(ours) == [(1,)]
    assert succeeded(environment.run(TRANSFORM, {**form, "full_refresh": True}))
    assert environment.query(ours) == [(0,)]


def test_vars_reach_dbt(environment: LocalEnvironment, green: Demo) -> None:
    late = "select count(*) from dev_intermediate.int_flights_classified where is_late_departure"
    before = environment.query(late)
    form = {"select": "int_flights_classified", "exclude": "fct_flights"}
    assert succeeded(environment.run(TRANSFORM, {**form, "vars": {"late_after_minutes": 60}}))
    fewer = environment.query(late)
    assert 0 < fewer[0][0] < before[0][0]
    assert succeeded(environment.run(TRANSFORM, form))
    assert environment.query(late) == before


def test_another_target_has_its_own_warehouse(environment: LocalEnvironment, green: Demo) -> None:
    """Its connection is a secret in URI form."""
    run = environment.run(TRANSFORM, {"select": "raw_airlines stg_airlines", "target": "stage"})
    assert succeeded(run)
    assert environment.query("select count(*) from stage_staging.stg_airlines", "flights_stage") == [(16,)]
    assert Path(environment.layout.warehouse / "flights_stage.duckdb").is_file()


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"select": ["routes"]}, "select"),
        ({"exclude": 5}, "exclude"),
        ({"target": "production"}, "target"),
        ({"full_refresh": "yes"}, "full_refresh"),
        ({"vars": "a=1"}, "vars"),
    ],
)
def test_the_form_refuses_what_its_schema_can_tell(
    environment: LocalEnvironment, green: Demo, form: dict[str, Any], field: str
) -> None:
    with pytest.raises(ApiError) as refused:
        environment.api.post(f"/dags/{TRANSFORM}/dagRuns", {"logical_date": None, "conf": form})
    assert 400 <= refused.value.status < 500
    assert field in refused.value.what


@pytest.mark.parametrize("form", [{"select": "routes; drop table"}, {"exclude": "--full-refresh"}])
def test_the_first_task_says_what_is_wrong_with_the_syntax(
    environment: LocalEnvironment, green: Demo, form: dict[str, str]
) -> None:
    run = environment.run(TRANSFORM, form)
    assert set(states(run).values()) == {"failed", "upstream_failed"}
    ((name, value),) = form.items()
    text = words(environment, run, "select_nodes")
    assert f"{name} is '{value}', which isn't dbt's selection syntax: terms are names" in text


def test_the_first_task_refuses_what_only_the_graph_can_tell(environment: LocalEnvironment, green: Demo) -> None:
    run = environment.run(TRANSFORM, {"select": "ruotes+"})
    assert run.state == "failed"
    assert [task for task, state in states(run).items() if state == "failed"] == ["select_nodes"]
    assert tries(run, "select_nodes") == 1
    assert set(states(run).values()) == {"failed", "upstream_failed"}
    text = words(environment, run, "select_nodes")
    assert "'ruotes+': there is no node, folder or package named 'ruotes' in the project flights." in text
    assert "Did you mean routes?" in text


def test_a_partial_run_with_a_failed_node_has_failed(environment: LocalEnvironment, green: Demo) -> None:
    with connection(environment, "flights_dev", {"conn_type": "oracle", "host": "nowhere"}):
        run = run_quick(environment)
    assert states(run)[QUICK_TASK] == "failed"
    assert run.state == "failed"
    assert f"1 failed: {QUICK_TASK}." in words(environment, run, "outcome")


def test_the_command_line_says_that_a_partial_run_has_a_failed_node(environment: LocalEnvironment, green: Demo) -> None:
    with connection(environment, "flights_dev", {"conn_type": "oracle", "host": "nowhere"}):
        done = environment.cli("trigger", TRANSFORM, "--conf", json.dumps(JUST_QUICK))
    assert done.returncode == 1
    assert f"{QUICK_TASK} failed" in done.stderr
    assert "'oracle'" in done.stderr


def test_the_command_line_starts_the_same_runs(environment: LocalEnvironment, green: Demo) -> None:
    done = environment.cli("trigger", TRANSFORM, "--conf", '{"select": "routes", "exclude": "resource_type:test"}')
    assert done.returncode == 0, done.stderr
    assert "marts.routes.run" in done.stdout
    refused = environment.cli("trigger", TRANSFORM, "--conf", '{"target": "production"}')
    assert refused.returncode == 1
    assert "production" in refused.stderr
    assert "Traceback" not in refused.stderr
