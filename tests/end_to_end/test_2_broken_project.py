"""Something in the project is wrong: who is told, what still runs, and how it goes on after the fix."""

import re
import urllib.request
from collections.abc import Iterator

import pytest

from mwaactl.local import follow
from mwaactl.local.layout import REPOSITORY
from tests.end_to_end.conftest import Demo, demo
from tests.end_to_end.support import (
    QUICK_TASK,
    TRANSFORM,
    alert_of,
    alerts_of,
    connection,
    records,
    replace,
    run_quick,
    source_files,
    states,
    succeeded,
    text_of,
    tries,
    until,
    words,
)
from tests.local_environment import LocalEnvironment

pytestmark = pytest.mark.end_to_end

MODEL, MODEL_TASK = "dbt/flights/models/marts/carrier_days.sql", "marts.carrier_days.run"
TEST, TEST_TASK = "dbt/flights/models/marts/aircraft_use.yml", "marts.aircraft_use.test"
CHANGES = {
    MODEL: replace("count(*) as flights", "count(*) as flights, max(no_such_column) as broken"),
    TEST: replace("{low: 1, high: 31}", "{low: 100, high: 131}"),
}


Broken = tuple[Demo, dict[str, str]]


@pytest.fixture(scope="module")
def broken(environment: LocalEnvironment, green: Demo) -> Iterator[Broken]:
    """Release a model that refers to no column and a test that fails; do `make run`; return it and its two alerts."""
    with source_files(environment, CHANGES):
        done = demo(environment)
        yield done, {task: alert_of(environment, done.transform, task) for task in (MODEL_TASK, TEST_TASK)}


def test_run_says_so_and_names_the_node(broken: Broken) -> None:
    done, _ = broken
    assert done.status == 1
    assert done.data["succeeded"] is False
    assert f"{MODEL_TASK} failed (try 1)" in done.stderr
    assert "carrier_days" in done.stderr
    assert "no_such_column" in done.stderr


def test_what_needs_it_waits_and_everything_else_runs(broken: Broken) -> None:
    found = states(broken[0].transform)
    assert broken[0].transform.state == "failed"
    assert {task for task, state in found.items() if state == "failed"} == {MODEL_TASK, TEST_TASK}
    held_back = {task for task, state in found.items() if state == "upstream_failed"}
    assert {"marts.carrier_days.test", "marts.on_time_performance.run", "marts.on_time_performance.test"} <= held_back
    assert all("carrier_days" in task or "on_time" in task or "airport_days_add_up" in task for task in held_back - {
        "marts.flights_test", "docs"
    }), held_back  # fmt: skip
    assert found["marts.routes.test"] == found["marts.airport_days.run"] == "success"


def test_wrong_sql_and_a_failed_test_are_not_tried_again(broken: Broken) -> None:
    assert tries(broken[0].transform, MODEL_TASK) == 1
    assert tries(broken[0].transform, TEST_TASK) == 1


def test_each_failed_task_sends_one_message_with_dbts_error(environment: LocalEnvironment, broken: Broken) -> None:
    done, alerts = broken
    told = [text for text in alerts_of(environment, done.transform.run_id) if "*Task:* " in text]
    assert len(told) == 2, told
    text = alerts[MODEL_TASK]
    assert "model carrier_days* failed" in text
    assert 'Referenced column "no_such_column" not found in FROM clause' in text
    assert "*File:* models/marts/carrier_days.sql" in text
    assert f"*DAG:* {TRANSFORM}\n" in text
    assert f"*Run:* {done.transform.run_id}\n" in text
    assert "*Try:* 1" in text
    assert "*Tried:* not again, it would only fail again: the SQL is wrong" in text
    assert "*Owner:* analytics" in text
    of_test = alerts[TEST_TASK]
    assert "between_aircraft_use_days_flown" in of_test
    assert re.search(r"Got \d+ results, configured to fail if != 0", of_test)
    assert re.search(r"\*Test:\* `between_aircraft_use_days_flown\S*` · \d+ rows\n```\s*select", of_test)
    assert "*Owner:* fleet" in of_test
    assert "*Tried:* not again, it would only fail again: a test failed on the data" in of_test


def test_the_messages_link_answers_and_is_the_tasks(broken: Broken) -> None:
    link = re.search(r"<(http[^|]+)\|", broken[1][MODEL_TASK])
    assert link
    assert f"/tasks/{MODEL_TASK}" in link[1]
    with urllib.request.urlopen(link[1].replace("&amp;", "&"), timeout=30) as answer:
        assert answer.status == 200


def test_the_log_has_dbts_lines_once_and_names_node_and_error(environment: LocalEnvironment, broken: Broken) -> None:
    log = records(environment, broken[0].transform, MODEL_TASK)
    events = [str(record["event"]) for record in log]
    assert (
        len([event for event in events if "1 of 1 ERROR creating sql table model dev_marts.carrier_days" in event]) == 1
    )
    assert len([event for event in events if "Done. PASS=0 WARN=0 ERROR=1" in event]) == 1
    assert not [record for record in log if "\x1b" in str(record)]
    raised = [detail for record in log for detail in record.get("error_detail") or ()]
    assert len(raised) == 1, raised
    assert raised[0]["exc_type"] == "DbtFailedForGood"
    assert "model carrier_days" in raised[0]["exc_value"]
    assert "models/marts/carrier_days.sql" in raised[0]["exc_value"]
    assert "no_such_column" in raised[0]["exc_value"]


def test_after_the_fix_the_failed_task_is_cleared_and_the_run_succeeds(
    environment: LocalEnvironment, broken: Broken
) -> None:
    for name in CHANGES:
        (environment.source / name).write_text((REPOSITORY / name).read_text())
    environment.up()
    run = broken[0].transform
    body = {
        "dag_run_id": run.run_id,
        "task_ids": [MODEL_TASK, TEST_TASK],
        "include_downstream": True,
        "only_failed": True,
        "dry_run": False,
    }
    cleared = environment.api.post(f"/dags/{TRANSFORM}/clearTaskInstances", body)["task_instances"]
    assert "marts.on_time_performance.run" in {task["task_id"] for task in cleared}
    again = follow.follow(environment.api, TRANSFORM, run.run_id, limit=180)
    assert succeeded(again)
    assert tries(again, "marts.routes.run") == 1
    closing = until(lambda: [text for text in alerts_of(environment, run.run_id) if "*Recovered*" in text], limit=120)
    assert "• model carrier_days" in closing[-1]


UNKNOWN = {"conn_type": "oracle", "host": "nowhere"}  # makes the quickest task fail at once


def test_an_alert_goes_through_a_webhook_as_well(environment: LocalEnvironment, green: Demo) -> None:
    client = environment.client("secretsmanager")
    webhook = client.get_secret_value(SecretId="airflow/connections/slack_webhook")["SecretString"]
    before = len(environment.messages())
    with connection(environment, "slack", webhook), connection(environment, "flights_dev", UNKNOWN):
        run = run_quick(environment)
    assert states(run)[QUICK_TASK] == "failed"
    messages = until(lambda: environment.messages()[before:], limit=60)
    assert messages[0]["via"] == "slack webhook"
    assert "'oracle'" in text_of(messages[0])
    assert run.run_id in text_of(messages[0])


def test_slack_being_away_changes_nothing_and_is_logged(environment: LocalEnvironment, green: Demo) -> None:
    away = {"conn_type": "slack", "password": "xoxb-nobody", "extra": {"base_url": "http://127.0.0.1:9/api/"}}
    with connection(environment, "slack", away), connection(environment, "flights_dev", UNKNOWN):
        run = run_quick(environment)
    assert states(run)[QUICK_TASK] == "failed"
    assert "could not be sent through the connection 'slack'" in words(environment, run, QUICK_TASK)
