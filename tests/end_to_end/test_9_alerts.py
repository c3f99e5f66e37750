"""Alerts of real runs: one thread each, still failing and recovered, late rather than never, killed tasks."""

import json
import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest

from mwaactl.local import follow
from mwaactl.local.layout import BUCKET
from mwaactl.local.state import read_json
from tests.end_to_end.conftest import Demo
from tests.end_to_end.s3_door import Door, door_to
from tests.end_to_end.support import (
    ENDLESS,
    JUST_QUICK,
    QUICK,
    QUICK_TASK,
    TRANSFORM,
    alert_of,
    alerts_of,
    connection,
    dbt_commands,
    run_quick,
    running,
    source_files,
    states,
    succeeded,
    tries,
    until,
    words,
)
from tests.local_environment import LocalEnvironment

pytestmark = pytest.mark.end_to_end

UNKNOWN = {"conn_type": "oracle", "host": "nowhere"}  # makes tasks fail at once, and without a retry
OTHER_TASK = "marts.routes.run"


@contextmanager
def slack(environment: LocalEnvironment, **faults: Any) -> Iterator[None]:
    """Let Slack misbehave for a while."""
    port = read_json(environment.layout.state_file)["ports"]["slack"]

    def control(**values: Any) -> None:
        request = urllib.request.Request(f"http://127.0.0.1:{port}/control", json.dumps(values).encode())
        urllib.request.urlopen(request, timeout=10).close()

    control(**faults)
    try:
        yield
    finally:
        control()


def closing(environment: LocalEnvironment, run_id: str) -> str:
    """Return the last message of the run's thread, once the run has been said to have ended."""
    said = re.compile(r"\*(succeeded|failed)\*: \d+")
    return str(until(lambda: [t for t in alerts_of(environment, run_id) if said.search(t)], limit=240)[-1])


def test_two_failures_one_thread_then_still_failing_then_recovered(environment: LocalEnvironment, green: Demo) -> None:
    with connection(environment, "flights_dev", UNKNOWN):
        first = environment.run(TRANSFORM, {**JUST_QUICK, "select": f"{QUICK} routes"})
        assert re.search(r"\*failed\*: (\d+ succeeded, )?2 failed, 1 not run", closing(environment, first.run_id))
        assert "'oracle'" in alert_of(environment, first, QUICK_TASK)
        assert "'oracle'" in alert_of(environment, first, OTHER_TASK)
        thread = alerts_of(environment, first.run_id)
        assert len(thread) == 3
        assert re.search(rf"`{re.escape(first.run_id)}` · failed: .*2 failed", thread[0])
        second = run_quick(environment)
        assert f"since run `{first.run_id}` (2 runs)" in alert_of(environment, second, QUICK_TASK)
        assert f"model {QUICK}, since run {first.run_id} (2 runs)" in closing(environment, second.run_id)
        assert "routes" not in closing(environment, second.run_id), "it was left out"
    third = environment.run(TRANSFORM, {**JUST_QUICK, "select": f"{QUICK} routes"})
    assert succeeded(third)
    text = closing(environment, third.run_id)
    for model in (QUICK, "routes"):
        assert f"model {model}, which had failed since run {first.run_id}" in text
    assert succeeded(run_quick(environment))


def test_slack_down_in_the_middle_of_a_run_and_the_alert_comes_late(environment: LocalEnvironment, green: Demo) -> None:
    with slack(environment, status=503), connection(environment, "flights_dev", UNKNOWN):
        lost = run_quick(environment)
        assert states(lost)[QUICK_TASK] == "failed"
        log = words(environment, lost, QUICK_TASK)
        assert "could not be sent through the connection 'slack'" in log
        assert "is kept in the bucket" in log
        outbox = f"mwaactl/alerts/outbox/{TRANSFORM}/"
        keys = until(
            lambda: [
                entry["Key"]
                for entry in environment.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=outbox).get("Contents", ())
                if "/ended/" in entry["Key"]
            ],
            limit=240,
        )
        assert keys
    assert alerts_of(environment, lost.run_id) == []
    assert succeeded(run_quick(environment))
    assert "1 failed" in closing(environment, lost.run_id)
    assert "'oracle'" in alert_of(environment, lost, QUICK_TASK)


@pytest.fixture
def secrets_manager(environment: LocalEnvironment, green: Demo) -> Iterator[Door]:
    """Let Airflow's processes reach Secrets Manager through a door."""
    with door_to(environment, "SECRETS_MANAGER") as door:
        yield door


def begun(environment: LocalEnvironment) -> str:
    """Start a run of one node and return its id when its first task has ended."""
    run_id = environment.start(TRANSFORM, JUST_QUICK)
    first = "select_nodes"
    until(lambda: states(follow.read(environment.api, TRANSFORM, run_id)).get(first) == "success", limit=120)
    return run_id


@pytest.mark.long
def test_secrets_manager_down_in_the_middle_of_a_run(environment: LocalEnvironment, secrets_manager: Door) -> None:
    run_id = begun(environment)
    secrets_manager.open = False
    lost = follow.follow(environment.api, TRANSFORM, run_id, limit=300)
    assert states(lost)[QUICK_TASK] == "failed"
    assert tries(lost, QUICK_TASK) == 3, "it might have passed"
    log = words(environment, lost, QUICK_TASK, 3)
    assert "'flights_dev' can't be had now. Secrets Manager couldn't be asked" in log
    assert "could not be sent through the connection 'slack'" in log
    assert "is kept in the bucket" in log
    assert alerts_of(environment, lost.run_id) == []

    run_id = environment.start(TRANSFORM, JUST_QUICK)
    waits = ("up_for_retry", "failed")
    until(lambda: states(follow.read(environment.api, TRANSFORM, run_id)).get(QUICK_TASK) in waits, limit=180)
    secrets_manager.open = True
    saved = follow.follow(environment.api, TRANSFORM, run_id, limit=300)
    assert succeeded(saved), "a retry mends it"
    assert tries(saved, QUICK_TASK) in (2, 3)
    assert "1 failed" in closing(environment, lost.run_id)
    assert "Secrets Manager couldn't be asked" in alert_of(environment, lost, QUICK_TASK)


def task_processes(environment: LocalEnvironment) -> list[psutil.Process]:
    """Return the processes that run a task's code: the children of the LocalExecutor's supervisors."""
    found = []
    for process in psutil.process_iter():
        try:
            title = " ".join(process.cmdline())
            if "LocalExecutor: " in title and process.cwd().startswith(str(environment.layout.root)):
                found += process.children()
        except psutil.Error:
            continue
    return found


def test_a_killed_task_is_told_when_the_run_has_ended(environment: LocalEnvironment, green: Demo) -> None:
    model = f"dbt/flights/models/marts/{QUICK}.sql"
    with source_files(environment, {model: lambda _: ENDLESS}):
        run_id = environment.start(TRANSFORM, JUST_QUICK)
        for _ in range(3):  # retries, too
            until(lambda: running(environment, run_id, QUICK_TASK) and dbt_commands(environment), limit=120)
            for process in until(lambda: task_processes(environment), limit=30):
                process.kill()
            until(lambda: not dbt_commands(environment), limit=60)
        ended = follow.follow(environment.api, TRANSFORM, run_id, limit=240)
    environment.up()
    assert states(ended)[QUICK_TASK] == "failed"
    assert "1 failed" in closing(environment, run_id)
    assert "No word came from this task" in alert_of(environment, ended, QUICK_TASK)
    assert succeeded(run_quick(environment))
