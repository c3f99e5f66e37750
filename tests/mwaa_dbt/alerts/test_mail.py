"""Alerts by mail, over SMTP and SES: one when it begins to fail, one at the end."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mwaactl.local import aws, sink
from tests.mwaa_dbt.alerts.support import RUN, Slack, end, fail
from tests.ports import free_port

pytestmark = pytest.mark.usefixtures("bucket")


@dataclass
class Mails:
    file: Path
    port: int

    @property
    def received(self) -> list[dict[str, Any]]:
        return sink.read_messages(self.file)


@pytest.fixture
def mails(tmp_path: Path, connection: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> Mails:
    """A mail server that gets every alert, and no Slack."""
    file, port = tmp_path / "mails.jsonl", free_port()
    sink.start(file, free_port(), port)
    extra = {"disable_ssl": True, "disable_tls": True, "from_email": "airflow@example.com"}
    connection("smtp_default", conn_type="smtp", host="127.0.0.1", port=port, extra=extra)
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__SLACK_CONN_ID", "")
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__MAIL_TO", "one@example.com, two@example.com")
    return Mails(file, port)


def test_one_mail_at_the_first_failure_and_one_at_the_end(mails: Mails) -> None:
    for name in "abc":
        fail(name, target="stage")
    end({"a": "failed", "b": "failed", "c": "failed", "d": "success"}, target="stage")
    for address in ("one@example.com", "two@example.com"):
        first, last = [mail for mail in mails.received if mail["to"] == [address]]
        assert first["from"] == "airflow@example.com"
        assert first["subject"] == "flights_transform: model a failed"
        assert "column &lt;a&gt; &amp; {{ 7 * 7 }}" in first["html"]
        assert RUN in first["html"]
        assert "<b>Target:</b> stage" in first["html"]
        assert last["subject"] == "flights_transform failed: 1 succeeded, 3 failed"
        assert "<li>model b</li><li>model c</li>" in last["html"]


def test_a_green_run_sends_nothing_and_recovery_is_told(mails: Mails) -> None:
    end({"a": "success"})
    assert mails.received == []
    fail("a")
    end({"a": "failed"})
    end({"a": "success"}, "r2")
    assert "Recovered" in mails.received[-1]["html"]
    assert len(mails.received) == 6


def test_an_owner_with_a_mail_address_gets_one_beside_slack(
    mails: Mails, slack: Slack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__MAIL_TO", "")
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__SLACK_CONN_ID", "slack")
    (tmp_path / "alerts.yml").write_text("owners: {paper: {mail: p@example.com}}")
    fail("a", owner="paper", project_dir=tmp_path)
    fail("b", owner="other", project_dir=tmp_path)
    end({"a": "failed", "b": "failed"})
    assert [mail["to"] for mail in mails.received] == [["p@example.com"]] * 2
    assert "*2 failed*" not in mails.received[0]["html"]
    assert len(slack.heads) == 1
    assert len(slack.replies) == 2


def test_slack_away_does_not_hold_the_mail_and_is_not_mailed_twice(
    mails: Mails, slack: Slack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__SLACK_CONN_ID", "slack")
    slack.control(status=500)
    fail("a")
    assert len(mails.received) == 2
    slack.control()
    fail("b")
    assert len(slack.heads) == 1
    assert len(slack.replies) == 1
    assert len(mails.received) == 2


def test_the_mail_server_is_away_and_the_mail_comes_later(
    mails: Mails, connection: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    extra = {"disable_ssl": True, "disable_tls": True, "from_email": "airflow@example.com"}
    connection("smtp_default", conn_type="smtp", host="127.0.0.1", port=free_port(), extra={**extra, "retry_limit": 1})
    fail("a")
    assert "could not be sent through the connection 'smtp_default'" in caplog.text
    connection("smtp_default", conn_type="smtp", host="127.0.0.1", port=mails.port, extra=extra)
    end({"a": "failed"})
    assert [mail["subject"] for mail in mails.received if mail["to"] == ["one@example.com"]] == [
        "flights_transform: model a failed",
        "flights_transform failed: 1 failed",
    ]


def test_ses(mails: Mails, connection: Callable[..., str], aws_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    connection("ses", conn_type="aws")
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__MAIL_CONN_ID", "ses")
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__MAIL_FROM", "airflow@example.com")
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__MAIL_TO", "one@example.com")
    aws.client("ses", aws_port).verify_email_identity(EmailAddress="airflow@example.com")
    fail("a")
    with urllib.request.urlopen(f"http://127.0.0.1:{aws_port}/moto-api/data.json", timeout=30) as answer:
        sent = json.loads(answer.read())["ses"]
    assert mails.received == []
    assert [message["source"] for message in sent["Message"] + sent.get("RawMessage", [])] == ["airflow@example.com"]
