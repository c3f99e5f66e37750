"""Why dbt failed and whether it is tried again: with what the three adapters really say."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowFailException
from mwaa_dbt import causes, errors
from mwaa_dbt.causes import Cause
from mwaa_dbt.results import NodeResult, Outcome

PROBE = Path(__file__).with_name("causes_probe.py")
Messages = list[tuple[str, Cause, str]]


@pytest.fixture(scope="session")
def messages(venv: Path) -> Messages:
    """What dbt says of errors, each with its adapter and the cause that it has."""
    done = subprocess.run([venv / "bin" / "python", PROBE], check=True, capture_output=True, text=True)
    answers = json.loads(done.stdout.strip().splitlines()[-1])
    return [
        (adapter, getattr(causes, name), text)
        for adapter, found in answers.items()
        for name, texts in found.items()
        for text in texts
    ]


def failed(*nodes: tuple[str, str, str]) -> Outcome:
    return Outcome(1, tuple(NodeResult(node, status, message, None, 0.0) for node, status, message in nodes))


def test_real_messages_of_the_three_adapters(messages: Messages) -> None:
    wrong = [
        (adapter, causes.of_text(text).name, text) for adapter, cause, text in messages if causes.of_text(text) != cause
    ]
    assert wrong == []
    for adapter in ("duckdb", "snowflake", "bigquery"):
        of_adapter = {cause for name, cause, _ in messages if name == adapter}
        assert {causes.BUSY, causes.MISSING, causes.PERMISSION, causes.SQL, causes.DATA} <= of_adapter
    assert len(messages) >= 75


def test_as_dbt_tells_of_a_node_it_is_the_same(messages: Messages) -> None:
    """With the node's line before it, and further lines of SQL behind."""
    for _, cause, text in messages:
        lines = text.splitlines()
        told = [f"{lines[0]} in model m (models/m.sql)", *lines[1:]] if lines[0].endswith("Error") else lines
        told += ["  compiled code at target/run/m.sql", "  Syntax error: ConnectionResetError Read timed out"]
        if cause is not causes.UNKNOWN:
            assert causes.of(failed(("model.p.m", "error", "\n".join(told)))) is cause, told


def test_a_row_is_no_row_without_a_message(messages: Messages) -> None:
    lines = [line.strip() for _, _, text in messages for line in text.splitlines()]
    lines += ["Compilation Error in model m (models/m.sql)", "DBT Configuration Error"]
    # What no server can be made to say here: remote files need the extension httpfs, the others are old or rare.
    unproven = {row[2].pattern for row in causes.ROWS if not any(row[2].match(line) for line in lines)}
    assert {
        pattern for pattern in unproven if not pattern.startswith(("HTTP Error", "(HTTP|IO)", "Permission"))
    } == set()


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("Compilation Error in model m (models/m.sql)\n  Connection reset by peer", causes.PROJECT),
        ("Encountered an error:\nParsing Error\n  no such ref", causes.PROJECT),
        ("Encountered an error:\nRuntime Error\n  IO Error: Could not set lock on file 'x'", causes.BUSY),
        (
            # As dbt ends where it can't even list schemas: with some hundred lines, of which the end is kept.
            'Traceback (most recent call last):\n  File "x.py", line 164, in initialize_db\n'
            "    conn = duckdb.connect(creds.path, read_only=False, config=config)\n"
            '_duckdb.IOException: IO Error: Could not set lock on file "x.duckdb": Conflicting lock is held in python',
            causes.BUSY,
        ),
        (
            "Traceback\nsnowflake.connector.errors.OperationalError: 250003: Failed to execute request",
            causes.CONNECTION,
        ),
        ("Nothing that anybody knows", causes.UNKNOWN),
        ("", causes.UNKNOWN),
    ],
)
def test_before_any_node(text: str, cause: Cause) -> None:
    assert causes.of(Outcome(2, (), tuple(text.splitlines()))) is cause


LOST = ("model.p.m", "error", "Database Error in model m\n  250003: Failed to execute request: x")
FAILED = ("test.p.t.1", "fail", "Got 3 results, configured to fail if != 0")


def test_one_that_fails_for_good_makes_the_next_try_vain() -> None:
    assert causes.of(failed(LOST)) is causes.CONNECTION
    assert causes.of(failed(LOST, FAILED)) is causes.TEST
    assert causes.of(failed(LOST, ("model.p.n", "error", "  Parser Error: x"))) is causes.SQL
    assert causes.of(failed(("model.p.n", "error", "whatever"), LOST)) is causes.CONNECTION


def test_a_test_that_could_not_run_is_tried_again_one_that_failed_is_not() -> None:
    assert causes.of(failed(("test.p.t.1", "error", LOST[2]))) is causes.CONNECTION
    assert causes.of(failed(("test.p.t.1", "fail", "Connection reset by peer"))) is causes.TEST
    assert causes.of(failed(("model.p.m", "fail", LOST[2]))) is causes.CONNECTION


def test_airflow_retries_what_may_pass_and_the_text_says_why() -> None:
    passing = errors.of_outcome("dbt run failed: x", failed(LOST))
    assert not isinstance(passing, AirflowFailException)
    assert str(passing) == (
        "dbt run failed: x\nThe next try may succeed (the connection was lost): tried again after a pause, "
        "if a try is left."
    )
    for outcome, kind, words in (
        (failed(FAILED), errors.DbtTestsFailed, "a test failed on the data"),
        (failed(FAILED, LOST), errors.DbtFailedForGood, "a test failed on the data"),
        (failed(("model.p.m", "error", "  Binder Error: x")), errors.DbtFailedForGood, "the SQL is wrong"),
    ):
        error = errors.of_outcome("dbt run failed: x", outcome)
        assert type(error) is kind
        assert isinstance(error, AirflowFailException)
        assert str(error).endswith(f"\nNot tried again, since it would only fail again: {words}.")
    unknown = errors.of_outcome("x", failed(("model.p.m", "error", "whatever")))
    assert type(unknown) is errors.DbtError
    assert "an error of no known class" in str(unknown)
