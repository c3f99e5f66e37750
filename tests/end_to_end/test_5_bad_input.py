"""What lies around the DAGs is wrong: the person who looks finds words, and nothing is tried again in vain."""

from typing import Any

import pytest

from mwaactl.local.follow import Run
from mwaactl.local.layout import BUCKET
from tests.end_to_end.conftest import Demo
from tests.end_to_end.support import (
    QUICK_TASK,
    alert_of,
    bucket_object,
    connection,
    reparse_until,
    run_quick,
    states,
    succeeded,
    tries,
    words,
)
from tests.local_environment import LocalEnvironment, as_json

pytestmark = pytest.mark.end_to_end


def failed_in_words(environment: LocalEnvironment, run: Run, *parts: str) -> None:
    """Assert that the quick task failed at its first try, and that log and alert say all of `parts`."""
    assert states(run)[QUICK_TASK] == "failed"
    assert tries(run, QUICK_TASK) == 1
    text = words(environment, run, QUICK_TASK)
    message = alert_of(environment, run, QUICK_TASK)
    for part in parts:
        assert part in text
        assert part in message
    assert run.run_id in message


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        (None, ["Secrets Manager has no secret 'airflow/connections/flights_dev': create it"]),
        ({"conn_type": "oracle", "host": "x"}, ["'flights_dev' has the type 'oracle'", "duckdb, snowflake"]),
        ({"conn_type": "snowflake", "login": "me"}, ["'flights_dev' says no way to log in", "private_key_content"]),
        ("no connection at all", ["'flights_dev'", "Give it as JSON"]),
    ],
    ids=["missing", "of unknown type", "without a key", "no connection"],
)
def test_a_connection_that_does_not_work(
    environment: LocalEnvironment, green: Demo, value: dict[str, Any] | str | None, parts: list[str]
) -> None:
    with connection(environment, "flights_dev", value):
        failed_in_words(environment, run_quick(environment), *parts)


def test_a_project_that_is_gone_after_the_dag_was_parsed(environment: LocalEnvironment, green: Demo) -> None:
    with bucket_object(environment, "dags/dbt/flights/dbt_project.yml", None):
        run = run_quick(environment)
    folder = environment.layout.dags / "dbt" / "flights"
    failed_in_words(environment, run, f"There is no dbt project in {folder}", "release it again")


def test_a_virtualenv_that_was_never_finished(environment: LocalEnvironment, green: Demo) -> None:
    marker = environment.layout.dbt_venv / ".mwaa-dbt-complete"
    content = marker.read_bytes()
    marker.unlink()
    try:
        run = run_quick(environment)
    finally:
        marker.write_bytes(content)
    failed_in_words(environment, run, f"The dbt virtualenv {environment.layout.dbt_venv} is half built", "Restart")


def test_a_truncated_manifest_is_an_import_error_in_words(environment: LocalEnvironment, green: Demo) -> None:
    key = "dags/dbt/flights/build/render_manifest.json"
    whole = environment.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    with bucket_object(environment, key, whole[: len(whole) // 2]):
        (error, *_) = reparse_until(environment, lambda errors: errors)
        assert error["filename"].startswith("flights_")
        last = error["stack_trace"].strip().splitlines()[-1]
        assert "ManifestError" in last
        assert "render_manifest.json" in last
        assert "mwaactl manifest build" in last
        status = environment.cli("status")
        assert status.returncode == 1
        assert "render_manifest.json" in status.stderr
    reparse_until(environment, lambda errors: not errors)


def test_afterwards_all_is_well(environment: LocalEnvironment, green: Demo) -> None:
    assert succeeded(run_quick(environment))
    assert as_json(environment.cli("status", "--format", "json"))["healthy"] is True
