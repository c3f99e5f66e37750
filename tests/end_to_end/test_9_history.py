"""History of real runs: every result is in the bucket once, whatever becomes of task, worker, S3 or model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from mwaa_dbt.history import spool
from mwaa_dbt.history.place import Place

from mwaactl.local import follow
from mwaactl.local.follow import Run
from mwaactl.local.layout import BUCKET, REPOSITORY
from mwaactl.local.state import read_json
from tests.end_to_end.conftest import Demo
from tests.end_to_end.s3_door import Door, door_to
from tests.end_to_end.support import (
    ENDLESS,
    QUICK,
    QUICK_TASK,
    TRANSFORM,
    connection,
    dbt_commands,
    instance,
    run_quick,
    running,
    source_files,
    states,
    succeeded,
    until,
    words,
)
from tests.end_to_end.test_9_alerts import UNKNOWN, task_processes
from tests.local_environment import LocalEnvironment

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(1800)]

PLACE = Place(BUCKET)
GATHER = "history_gather"
GONE = "passing_fad"


def kept(environment: LocalEnvironment, run_id: str) -> list[dict[str, Any]]:
    """Return the results of a run in the bucket, and assert that each is there once."""
    s3 = environment.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=PLACE.results)
    found = []
    for entry in [entry for page in pages for entry in page.get("Contents", ())]:
        lines = s3.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read().splitlines()
        found += [one for one in map(json.loads, lines) if one["run_id"] == run_id]
    several = {one: n for one, n in Counter(one["result_id"] for one in found).items() if n > 1}
    assert not several
    return found


def of_task(results: list[dict[str, Any]], task_id: str) -> list[dict[str, Any]]:
    """Return what a task said of nodes (not of the project's hooks), by try."""
    found = [one for one in results if one["task_id"] == task_id and one["resource_type"] != "operation"]
    return sorted(found, key=lambda one: one["try_number"])


def tasks_of(results: list[dict[str, Any]]) -> set[str]:
    """Return the dbt tasks of groups that results are of: what looks at sources, or runs hooks, is in no group."""
    return {one["task_id"] for one in results if "." in one["task_id"]}


def dbt_tasks(run: Run) -> dict[str, str]:
    """Return the states of the run's dbt tasks, which are those in groups."""
    return {task_id: state for task_id, state in states(run).items() if "." in task_id and state != "skipped"}


def command(environment: LocalEnvironment, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `mwaactl history ARGUMENTS` on this environment."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "AWS_", "MWAACTL_"))}
    line = [sys.executable, "-m", "mwaactl", "history", "--source", str(environment.source)]
    line += ["--dir", str(environment.layout.root), *arguments]
    return subprocess.run(line, capture_output=True, text=True, env=clean, cwd=REPOSITORY)


def asked(environment: LocalEnvironment, *arguments: str) -> Any:
    """Return what `mwaactl history ARGUMENTS` answers."""
    done = command(environment, "--format", "json", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_green_runs_results_are_kept_once(environment: LocalEnvironment, green: Demo) -> None:
    results = kept(environment, green.transform.run_id)
    tasks = dbt_tasks(green.transform)
    assert len(tasks) > 25
    assert tasks_of(results) == set(tasks), "every dbt task, and no other"
    assert {one["status"] for one in results} <= {"success", "pass", "warn", "no-op"}
    assert {one["try_number"] for one in results} == {1}
    (routes,) = of_task(results, "marts.routes.run")
    assert routes["node"] == "model.flights.routes"
    assert (routes["dag_id"], routes["target"], routes["run_type"]) == (TRANSFORM, "dev", "asset_triggered")
    sql = environment.client("s3").get_object(Bucket=BUCKET, Key=PLACE.sql(routes["compiled_sql"]))["Body"].read()
    assert b"select" in sql
    (told,) = [one for one in asked(environment, "--limit", "1000") if one["run_id"] == green.transform.run_id]
    assert (told["results"], told["failed"]) == (len(results), 0)


def test_a_failed_task_is_kept_with_its_reason(environment: LocalEnvironment, green: Demo) -> None:
    with connection(environment, "flights_dev", UNKNOWN):
        run = run_quick(environment)
    assert states(run)[QUICK_TASK] == "failed"
    (result,) = of_task(kept(environment, run.run_id), QUICK_TASK)
    assert result["status"] == "error"
    assert "oracle" in result["message"]
    assert succeeded(run_quick(environment))
    (latest, *_) = asked(environment, "--failed", QUICK)
    assert (latest["run_id"], latest["status"]) == (run.run_id, "error")


@pytest.fixture(scope="module")
def endless_and_new(environment: LocalEnvironment, green: Demo) -> Iterator[None]:
    """A model that doesn't end by itself, and one that won't be there for long."""
    new = environment.source / "dbt" / "flights" / "models" / "marts" / f"{GONE}.sql"
    new.write_text("select 1 as one\n")
    try:
        with source_files(environment, {f"dbt/flights/models/marts/{QUICK}.sql": lambda _: ENDLESS}):
            yield
    finally:
        new.unlink(missing_ok=True)
        environment.up()


def at_work(environment: LocalEnvironment) -> str:
    """Start a run of the endless model and return its id when dbt works on it."""
    run_id = environment.start(TRANSFORM, {"select": QUICK})
    until(lambda: running(environment, run_id, QUICK_TASK) and dbt_commands(environment), limit=180)
    return run_id


@pytest.fixture(scope="module")
def gone(environment: LocalEnvironment, endless_and_new: None) -> str:
    """Run the model that won't be there for long; return the run."""
    run = environment.run(TRANSFORM, {"select": GONE})
    assert succeeded(run)
    return run.run_id


def test_a_task_that_a_person_ends_is_kept_as_killed(environment: LocalEnvironment, gone: str) -> None:
    run_id = at_work(environment)
    run = follow.read(environment.api, TRANSFORM, run_id)
    environment.api.patch(instance(run, QUICK_TASK), {"new_state": "failed"})
    follow.follow(environment.api, TRANSFORM, run_id, limit=120)
    (result,) = until(lambda: of_task(kept(environment, run_id), QUICK_TASK), limit=60)
    assert (result["status"], result["node"]) == ("killed", f"model.flights.{QUICK}")
    until(lambda: not dbt_commands(environment), limit=60)


@pytest.mark.long
def test_a_killed_worker_and_a_killed_scheduler_lose_nothing(environment: LocalEnvironment, gone: str) -> None:
    """Every try of the task ends without a word; what comes next on the worker says so of each."""
    run_id = at_work(environment)
    for process in until(lambda: task_processes(environment), limit=30):
        process.kill()
    until(lambda: not dbt_commands(environment), limit=120)
    until(lambda: running(environment, run_id, QUICK_TASK) and dbt_commands(environment), limit=240)
    scheduler = read_json(environment.layout.state_file)["components"]["scheduler"]
    psutil.Process(scheduler).kill()
    # Whoever lives on without a scheduler is ended as a lost container's processes are.
    for process in task_processes(environment):
        process.kill()
    until(lambda: not dbt_commands(environment), limit=120)
    run = follow.read(environment.api, TRANSFORM, run_id)
    until(lambda: read_json(environment.layout.state_file)["components"].get("scheduler") != scheduler, limit=120)
    environment.api.patch(instance(run, QUICK_TASK), {"new_state": "failed"})
    follow.follow(environment.api, TRANSFORM, run_id, limit=240)
    sent = environment.run(GATHER)
    assert sent.succeeded, sent
    found = of_task(kept(environment, run_id), QUICK_TASK)
    assert len(found) >= 2, found
    assert {one["status"] for one in found} <= {"lost", "killed"}, found
    assert found[0]["status"] == "lost"
    assert "out of memory" in found[0]["message"]
    assert waiting(environment) == []


def test_a_model_that_is_gone_keeps_its_past(environment: LocalEnvironment, gone: str) -> None:
    (environment.source / "dbt" / "flights" / "models" / "marts" / f"{GONE}.sql").unlink()
    environment.up()
    tasks = environment.api.get(f"/dags/{TRANSFORM}/tasks")["tasks"]
    assert not [task for task in tasks if GONE in task["task_id"]], "Airflow's grid has lost it"
    (result,) = asked(environment, GONE)
    assert (result["run_id"], result["status"], result["node"]) == (gone, "success", f"model.flights.{GONE}")
    near = command(environment, "passing_fads")
    assert near.returncode == 1
    assert f"Did you mean {GONE}" in near.stderr


@pytest.fixture
def door(environment: LocalEnvironment, green: Demo) -> Iterator[Door]:
    """Let tasks reach S3 through a door."""
    with door_to(environment, "S3", f"/{BUCKET}/{PLACE.results}") as made:
        yield made


def waiting(environment: LocalEnvironment, endpoint: str = "") -> list[Path]:
    """Return what waits on the worker for S3."""
    endpoint = endpoint or f"http://127.0.0.1:{read_json(environment.layout.state_file)['ports']['aws']}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_HOME", str(environment.layout.airflow_home))
        patch.setattr("tempfile.tempdir", str(environment.layout.scratch))
        return sorted(spool.folder(PLACE, endpoint).glob("*.jsonl"))


@pytest.mark.long
def test_s3_goes_away_in_the_middle_of_a_run(environment: LocalEnvironment, door: Door) -> None:
    endpoint = f"http://127.0.0.1:{door.port}"
    run_id = environment.start(TRANSFORM, {"select": "routes airlines carrier_days"})

    def silent() -> list[str]:
        now = follow.read(environment.api, TRANSFORM, run_id)
        done = [task_id for task_id, state in dbt_tasks(now).items() if state == "success"]
        return [one for one in done if "HISTORY NOT WRITTEN" in words(environment, now, one)]

    lost = until(silent, limit=240, every=1)
    assert not door.open
    assert len(waiting(environment, endpoint)) >= 1
    time.sleep(3)  # more of the run while S3 is away
    door.open = True
    run = follow.follow(environment.api, TRANSFORM, run_id, limit=300)
    assert succeeded(run), "the run goes on"
    text = words(environment, run, lost[0])
    assert f"HISTORY NOT WRITTEN to {PLACE}" in text
    assert "The results are kept on this worker" in text
    sent = environment.run(GATHER)
    assert sent.succeeded, sent
    results = kept(environment, run_id)
    assert tasks_of(results) == set(dbt_tasks(run))
    assert {one["status"] for one in results} <= {"success", "pass", "warn", "no-op"}
    assert waiting(environment, endpoint) == []
