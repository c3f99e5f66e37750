"""Warnings of tasks that succeed gather in one message when the run has ended."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from mwaa_dbt import alerts, settings
from mwaa_dbt.results import NodeResult, Outcome

from tests.mwaa_dbt.alerts.support import Slack, context, end, fail, task

pytestmark = pytest.mark.usefixtures("bucket")


def warn(node: str, *tests: str) -> None:
    text = "Got 2 results, configured to warn if != 0"
    nodes = [NodeResult(f"model.zoo.{node}", "success", "ok", None, 1.0)]
    nodes += [NodeResult(f"test.zoo.{name}.ab12", "warn", text, 2, 0.1) for name in tests]
    alerts.note_warnings(context(None, task(node, owner="fleet")), Outcome(0, tuple(nodes)))


def test_one_message_with_all_of_them(slack: Slack, keys: Callable[[], list[str]]) -> None:
    warn("a", "t1", "t2")
    warn("b", "t3")
    assert slack.messages == []
    end({"a": "success", "b": "success"})
    (message,) = slack.heads
    for name in ("t1", "t2", "t3"):
        assert f"• test {name} (fleet): Got 2 results, configured to warn if != 0" in message
    assert "*succeeded*: 2 succeeded" in message
    assert [key for key in keys() if "/outbox/" in key] == []


def test_in_the_thread_where_there_is_one(slack: Slack) -> None:
    warn("a", "t1")
    fail("b")
    end({"a": "success", "b": "failed"})
    assert len(slack.heads) == 1
    assert "*Warnings*\n• test t1" in slack.replies[-1]


def test_a_task_without_warnings_costs_nothing(
    slack: Slack, keys: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr("mwaa_dbt.alerts.describe.warning")
    warn("a")
    assert caplog.text == ""
    assert keys() == []


def test_defaults_of_a_dag() -> None:
    defaults = alerts.alerting_defaults(owner="me", retries=0)
    assert defaults["owner"] == "me"
    assert defaults["retries"] == 0
    assert defaults["retry_delay"] == settings.retry_delay()
    assert defaults["on_failure_callback"] is alerts.notify_failure
    assert set(alerts.run_alerts().values()) == {alerts.notify_run_end}
    assert set(alerts.run_alerts(summary=True).values()) == {alerts.notify_run_summary}
