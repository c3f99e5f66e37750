"""Slack or the bucket is away, slow, or refuses: no task changes, and alerts come late rather than never."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import pytest
from mwaa_dbt.alerts import deliver, text, thread
from mwaa_dbt.alerts import slack as transport
from mwaa_dbt.alerts import store as stores
from mwaa_dbt.alerts.event import RunKey
from mwaa_dbt.alerts.store import Store

from mwaactl.local import sink
from tests.mwaa_dbt.alerts.conftest import by_token, by_webhook
from tests.mwaa_dbt.alerts.support import DAG, RUN, Slack, end, fail
from tests.ports import free_port

Keys = Callable[[], list[str]]
AWAY = "could not be sent through the connection 'slack'"


def outbox(keys: Keys) -> list[str]:
    return [key for key in keys() if "/outbox/" in key]


def test_slack_down_in_the_middle_of_a_run(slack: Slack, keys: Keys, caplog: pytest.LogCaptureFixture) -> None:
    fail("a")
    slack.control(status=503)
    fail("b")
    assert AWAY in caplog.text
    assert "is kept in the bucket" in caplog.text
    assert len(outbox(keys)) == 1
    slack.control()
    fail("c")
    assert [f"*model {name}* failed" in reply for name, reply in zip("bc", slack.replies, strict=True)] == [True, True]
    assert "*3 failed*" in slack.heads[0]
    assert outbox(keys) == []


def test_slack_down_at_the_end_too_then_a_later_run_tells(slack: Slack, keys: Keys) -> None:
    slack.control(status=500)
    fail("a")
    end({"a": "failed", "b": "success"})
    assert slack.messages == []
    assert len(outbox(keys)) == 2
    slack.control()
    end({"a": "failed"}, run_id="of another day")  # its own failure had no word
    _, late = slack.heads
    assert f"run `{RUN}`" in late
    assert any("The run *failed*: 1 succeeded, 1 failed" in reply for reply in slack.replies)
    assert outbox(keys) == []


@pytest.mark.parametrize("connect", [by_token, by_webhook])
@pytest.mark.parametrize("trouble", ["away", "500", "slow"])
@pytest.mark.parametrize("kept", [True, False])
def test_trouble_is_logged_and_nothing_more(
    silent_slack: Slack,
    bucket: str,
    connection: Callable[..., str],
    connect: Callable[..., None],
    trouble: str,
    kept: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(transport, "TIMEOUT_SECONDS", 1)
    if not kept:
        monkeypatch.setenv("AIRFLOW__MWAA_DBT__BUCKET", "")
    silent_slack.control(**{"500": {"status": 500}, "slow": {"slow": 3.0}}.get(trouble, {}))
    connect(connection, free_port() if trouble == "away" else silent_slack.port)
    fail()
    assert AWAY in caplog.text


def test_a_wrong_token_or_no_connection_is_logged(
    silent_slack: Slack, bucket: str, connection: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    fail("a")
    assert AWAY in caplog.text
    caplog.clear()
    by_token(connection, silent_slack.port, "xoxb-wrong")
    fail("b")
    assert "invalid_auth" in caplog.text
    assert "xoxb-wrong" not in caplog.text
    by_token(connection, silent_slack.port)
    fail("c")
    assert "*3 failed*" in silent_slack.heads[0]


def test_no_alerts_where_nobody_wants_them(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, keys: Keys
) -> None:
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__SLACK_CONN_ID", "")
    fail()
    end({"fct_orders": "failed"})
    assert caplog.text == ""
    assert keys() == []


def test_429_is_waited_for_as_slack_asks(slack: Slack) -> None:
    slack.control(status=429, times=2, retry_after=1)
    began = time.monotonic()
    fail()
    assert time.monotonic() - began > 2
    assert len(slack.messages) == 1


def test_a_429_that_takes_too_long_is_left_to_later(
    slack: Slack, keys: Keys, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    slack.control(status=429, retry_after=300)
    fail()
    assert "no time left to wait 300 s" in caplog.text
    assert len(outbox(keys)) == 1


def test_one_message_a_second_in_a_channel(slack: Slack, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "PAUSE_SECONDS", 1.05)
    slack.control(status=500)
    for name in "abc":
        fail(name)
    slack.control(limit=True)
    refused: list[float] = []
    monkeypatch.setattr(transport, "_retry_after", lambda headers: refused.append(1.0) or 1.0)
    fail("d")
    assert "*4 failed*" in slack.heads[0]
    assert len(slack.replies) == 3
    assert refused == [], "Slack never had to say so"


def test_without_a_bucket_each_failure_is_a_message_that_says_its_run(
    slack: Slack, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__BUCKET", "")
    for name in "ab":
        fail(name)
    end({"a": "failed", "b": "failed"})
    assert len(slack.heads) == 2
    assert all(f"run `{RUN}`" in head for head in slack.heads)
    assert "bucket is not set" in caplog.text


def test_a_webhook_has_no_threads_so_every_message_says_the_run(
    silent_slack: Slack, bucket: str, connection: Callable[..., str]
) -> None:
    by_webhook(connection, silent_slack.port)
    for name in "ab":
        fail(name)
    end({"a": "failed", "b": "failed", "c": "success"})
    assert len(silent_slack.heads) == 3
    assert all(f"run `{RUN}`" in head for head in silent_slack.heads)
    assert "*failed*: 1 succeeded, 2 failed" in silent_slack.heads[2]


def test_a_teller_that_was_killed_is_followed_by_another(
    slack: Slack, bucket: str, keys: Keys, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    store = Store.of_settings()
    assert store is not None
    monkeypatch.setattr(stores, "LEASE_SECONDS", 8)
    assert store.claim(RunKey(DAG, RUN)) is not None  # and then the process is killed
    fail("a")
    assert slack.messages == []
    assert "Another process is telling" in caplog.text
    end({"a": "failed"})
    assert "1 failed" in slack.heads[0]
    assert outbox(keys) == []


def test_a_process_that_slept_through_its_claim_stops(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.of_settings()
    assert store is not None
    monkeypatch.setattr(stores, "LEASE_SECONDS", -1)
    slow, quick = store.claim(RunKey(DAG, RUN)), store.claim(RunKey(DAG, RUN))
    assert slow is not None
    assert quick is not None
    with pytest.raises(stores.Conflict):
        slow.save()
    quick.save()


def test_a_channel_that_slack_does_not_know_is_a_reason_to_keep_it(slack: Slack, keys: Keys) -> None:
    slack.control(missing=["#data-alerts"])
    fail("a")
    assert len(outbox(keys)) == 1
    slack.control()
    end({"a": "failed"})
    assert "1 failed" in slack.heads[0]


def test_a_message_that_slack_finds_wrong_goes_as_plain_text(
    slack: Slack, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thread, "failure_blocks", lambda *_: [text.section("x" * 4000)])
    fail("a")
    (message,) = slack.messages
    assert message["text"] == "model a failed in flights_transform (marts.a.run)"
    assert "blocks" not in message


def test_deliver_says_what_became_of_it(slack: Slack, bucket: str) -> None:
    store = Store.of_settings()
    assert store is not None
    run = RunKey(DAG, RUN)
    assert deliver.deliver(run, store, time.monotonic() + 10) is deliver.Result.TOLD
    assert store.claim(run) is not None
    assert deliver.deliver(run, store, time.monotonic() + 10) is deliver.Result.BUSY
    assert sink.read_messages(slack.file) == []
