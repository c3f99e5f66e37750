"""Tried again, resumed, cleared, backfilled: what runs a second time, and what doesn't."""

import json
import re
import subprocess
from typing import Any
from urllib.parse import quote

import pytest

from mwaactl import dbt_venv
from mwaactl.local import follow
from mwaactl.local.follow import Run
from tests.end_to_end.conftest import Demo
from tests.end_to_end.support import (
    JUST_QUICK,
    QUICK_TASK,
    TRANSFORM,
    alerts_of,
    ran,
    replace,
    source_files,
    states,
    succeeded,
    tries,
    until,
    words,
)
from tests.local_environment import LocalEnvironment, as_json

pytestmark = pytest.mark.end_to_end

MODEL, TASK = "dbt/flights/models/marts/carrier_days.sql", "marts.carrier_days.run"
DAYS = "select flight_date::text, count(*) from dev_marts.fct_flights group by all order by all"
HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


def read(environment: LocalEnvironment, run_id: str) -> Run:
    return follow.read(environment.api, TRANSFORM, run_id)


def path(run_id: str) -> str:
    return f"/dags/{TRANSFORM}/dagRuns/{quote(run_id, safe='')}"


def test_a_busy_warehouse_is_tried_again_after_a_pause(environment: LocalEnvironment, green: Demo) -> None:
    file = environment.layout.warehouse / "flights_dev.duckdb"
    python = dbt_venv.ensure(print) / "bin" / "python"
    with subprocess.Popen([python, "-c", HOLD, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdin
        holder.stdout.readline()
        run_id = environment.start(TRANSFORM, JUST_QUICK)  # source freshness would find the warehouse busy before
        until(lambda: states(read(environment, run_id)).get(QUICK_TASK) == "up_for_retry", limit=240)
        holder.stdin.close()
    ended = follow.follow(environment.api, TRANSFORM, run_id, limit=240)
    assert succeeded(ended)
    assert tries(ended, QUICK_TASK) > 1
    log = words(environment, ended, QUICK_TASK)
    assert "Could not set lock on file" in log
    assert "The next try may succeed (the warehouse was busy): tried again after a pause" in log
    assert alerts_of(environment, run_id) == []


@pytest.fixture(scope="module")
def resumed(environment: LocalEnvironment, green: Demo) -> tuple[Run, Run]:
    """A run of a selection with a broken model; the same run after fix, release and `mwaactl resume`."""
    broken = replace("count(*) as flights", "count(*) as flights, max(no_such_column) as broken")
    with source_files(environment, {MODEL: broken}):
        failed = environment.run(TRANSFORM, {"select": "carrier_days+ routes"})
    environment.up()
    done = environment.mwaactl("resume", TRANSFORM, "--format", "json")
    assert done.returncode == 0, done.stderr
    assert as_json(done)["run_id"] == failed.run_id, "without a run's id, the last failed one"
    return failed, read(environment, failed.run_id)


def test_a_resumed_run_runs_what_failed_and_what_waited_for_it_and_nothing_else(resumed: tuple[Run, Run]) -> None:
    failed, after = resumed
    before = states(failed)
    assert before[TASK] == "failed"
    assert tries(failed, TASK) == 1
    assert succeeded(after)
    again = {task for task, state in before.items() if state in ("failed", "upstream_failed")}
    assert "marts.on_time_performance.run" in again
    assert {task for task in before if tries(after, task) > max(tries(failed, task), 1)} == {TASK}
    times = {task["task_id"]: task["start_date"] for task in failed.tasks}
    assert {task["task_id"] for task in after.tasks if task["start_date"] != times[task["task_id"]]} - {
        "outcome"
    } == again
    assert ran(after) == ran(failed), "the form's selection stays"


def test_nothing_to_resume_is_said(environment: LocalEnvironment, resumed: tuple[Run, Run]) -> None:
    done = environment.mwaactl("resume", TRANSFORM, resumed[1].run_id)
    assert done.returncode == 1
    assert "nothing failed" in done.stderr


def test_a_run_that_a_person_ended_goes_on_where_it_was(environment: LocalEnvironment, green: Demo) -> None:
    run_id = environment.start(TRANSFORM, {"select": "carrier_days+ routes"})
    until(lambda: states(read(environment, run_id)).get("wait_for_turn") == "success", limit=240)
    environment.api.patch(path(run_id), {"state": "failed"})
    until(lambda: "running" not in states(read(environment, run_id)).values(), limit=120)
    ended = states(read(environment, run_id))
    assert ended["marts.on_time_performance.run"] == "skipped"
    done = environment.mwaactl("resume", TRANSFORM, run_id)
    assert done.returncode == 0, done.stderr
    after = read(environment, run_id)
    assert succeeded(after)
    wanted = {"marts.carrier_days.run", "marts.on_time_performance.run", "marts.routes.run"}
    assert wanted <= ran(after)
    assert not {"marts.fct_flights.run", "marts.airport_days.run", QUICK_TASK} & ran(after)


def test_airflows_own_clear_with_downstream_keeps_the_forms_selection(
    environment: LocalEnvironment, resumed: tuple[Run, Run]
) -> None:
    _, before = resumed
    body = {
        "dry_run": False,
        "dag_run_id": before.run_id,
        "only_failed": False,
        "include_downstream": True,
        "task_ids": ["marts.routes.run"],
    }
    environment.api.post(f"/dags/{TRANSFORM}/clearTaskInstances", body)
    after = follow.follow(environment.api, TRANSFORM, before.run_id, limit=240)
    assert succeeded(after)
    assert ran(after) == ran(before)
    assert tries(after, "marts.routes.run") == tries(before, "marts.routes.run") + 1
    assert tries(after, TASK) == tries(before, TASK)


def backfill(environment: LocalEnvironment, dag_id: str, *arguments: str) -> Any:
    done = environment.mwaactl("backfill", dag_id, "--unpause", "--format", "json", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return as_json(done)


@pytest.mark.long
def test_days_again_in_one_command_twice_and_out_of_order(environment: LocalEnvironment, green: Demo) -> None:
    def paused() -> list[str]:
        """As a person would before days are loaded again, so that not each of them is transformed by itself."""
        environment.api.patch(f"/dags/{TRANSFORM}", {"is_paused": True})
        return ["--max-active", "2"]

    days = [*paused(), "--then", TRANSFORM]
    first = backfill(environment, "flights_load", "--from", "2013-01-02", "--to", "2013-01-03", *days)
    load, transform = first["steps"]
    assert [run["logical_date"][:10] for run in load["runs"]] == ["2013-01-02", "2013-01-03"]
    assert {run["state"] for run in load["runs"]} == {transform["state"]} == {"success"}
    run = read(environment, transform["run_id"])
    assert "Window from 2013-01-02 00:00:00 until before 2013-01-04 00:00:00 UTC" in words(
        environment, run, "select_nodes"
    )
    wanted = [("2013-01-01", 842), ("2013-01-02", 943), ("2013-01-03", 914)]
    assert environment.query(DAYS) == wanted
    second = backfill(environment, "flights_load", "--from", "2013-01-01", "--to", "2013-01-02", *paused())
    assert second["succeeded"]
    assert {run["dag_run_id"] for run in load["runs"]} & {one["dag_run_id"] for one in second["steps"][0]["runs"]}
    assert environment.query(DAYS) == wanted
    # A DAG with a window does all days in one run.
    (alone,) = backfill(environment, TRANSFORM, "--from", "2013-01-03", "--to", "2013-01-03")["steps"]
    assert alone["state"] == "success"
    assert environment.query(DAYS) == wanted


def test_a_window_that_ends_before_it_starts_is_refused_in_words(environment: LocalEnvironment, green: Demo) -> None:
    done = environment.mwaactl("backfill", "flights_load", "--from", "2013-02-01", "--to", "2013-01-01")
    assert done.returncode == 2
    assert "The window ends before it starts: --from 2013-02-01 --to 2013-01-01" in done.stderr
    run = environment.run(TRANSFORM, {"first_day": "2013-02-01", "last_day": "2013-01-01"})
    assert states(run)["select_nodes"] == "failed"
    assert "The window ends before it starts" in words(environment, run, "select_nodes")
    done = environment.mwaactl("backfill", "flights_load", "--from", "2031-01-01", "--to", "2031-01-02", "--unpause")
    assert done.returncode == 1
    assert "refused the backfill" in done.stderr


@pytest.mark.long
def test_init_tells_of_its_success(environment: LocalEnvironment, green: Demo) -> None:
    run = environment.run("flights_init", {"target": "dev"})
    assert succeeded(run)
    (message,) = until(lambda: alerts_of(environment, run.run_id), limit=240)
    assert re.search(r"\*succeeded\*: \d+ succeeded, 2 skipped", message), message
    assert re.search(r"Took \d:\d\d:\d\d", message)
    assert "Target dev" in message
    assert re.search(r"Release \S+", message)
    assert "Not published: dbt's docs" in message
    assert json.dumps(message).count("flights_init") >= 1
