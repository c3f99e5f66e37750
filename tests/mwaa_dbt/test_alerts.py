"""One Slack message per failed task, whatever Slack does."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mwaa_dbt import alerts, settings
from mwaa_dbt.errors import DbtError
from mwaa_dbt.results import NodeResult, Outcome

from mwaactl.local import sink

ERROR = "Database Error in model fct_orders (models/marts/fct_orders.sql)\n  column <a> & {{ 7 * 7 }} ```not``` found"


class Slack:
    """The sink, and what it received."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "messages.jsonl"
        handler = type("Handler", (sink.SlackHandler,), {"store": sink.MessageStore(self.file)})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def messages(self) -> list[dict[str, Any]]:
        return sink.read_messages(self.file)


@pytest.fixture
def slack(tmp_path: Path) -> Iterator[Slack]:
    server = Slack(tmp_path)
    yield server
    server.server.shutdown()


def by_token(connection: Callable[..., str], port: int, token: str = sink.TOKEN) -> None:
    connection("slack", conn_type="slack", password=token, extra={"base_url": f"http://127.0.0.1:{port}/api/"})


def by_webhook(connection: Callable[..., str], port: int) -> None:
    host = f"127.0.0.1:{port}/services"
    connection("slack", conn_type="slackwebhook", schema="http", host=host, password=sink.WEBHOOK_PATH)


def context(exception: BaseException | None = None, **more: Any) -> Any:
    """Return the context of a failed task as Airflow gives it to callbacks."""
    node = {"name": "fct_orders", "resource_type": "model", "original_file_path": "models/marts/fct_orders.sql"}
    task = SimpleNamespace(owner="carla", extra_context={"dbt_node_config": node}, task_id="marts.fct_orders.run")
    ti = SimpleNamespace(
        dag_id="flights_transform",
        run_id="manual__2013-01-01",
        task_id="marts.fct_orders.run",
        try_number=3,
        log_url="http://ui/dags/flights_transform/runs/1/tasks/marts.fct_orders.run?try_number=3",
    )
    made = {"ti": ti, "task": task, "exception": exception, **more}
    return {name: value for name, value in made.items() if value is not None}


def failed(message: str = ERROR) -> DbtError:
    error = DbtError("dbt run failed")
    error.outcome = Outcome(1, (NodeResult("model.zoo.fct_orders", "error", message, None, 0.1),))
    return error


@pytest.mark.parametrize("connect", [by_token, by_webhook])
def test_one_message_says_what_where_and_whose(
    slack: Slack, connection: Callable[..., str], connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    connect(connection, slack.port)
    caplog.set_level(logging.INFO)
    alerts.notify_failure(context(failed()))
    (message,) = slack.messages
    text = sink.plain_text(message)
    for part in (
        "model fct_orders",
        "Database Error in model fct_orders",
        "models/marts/fct_orders.sql",
        "flights_transform",
        "manual__2013-01-01",
        "*Try:* 3",
        "carla",
        "http://ui/dags/flights_transform/runs/1/tasks/marts.fct_orders.run?try_number=3",
    ):
        assert part in text
    assert "{{ 7 * 7 }}" in text, "dbt's text is no template"
    assert "&lt;a&gt; &amp;" in text, "Slack's control characters are escaped"
    assert text.count("```") == 2, "dbt's text doesn't end the fence"
    assert "Alert sent" in caplog.text
    if connect is by_token:
        assert message["channel"] == settings.slack_channel()


def test_two_failures_are_two_different_messages(slack: Slack, connection: Callable[..., str]) -> None:
    by_token(connection, slack.port)
    for message in ("the first", "the second"):
        alerts.notify_failure(context(failed(message)))
    first, second = (sink.plain_text(message) for message in slack.messages)
    assert "the first" in first
    assert "the second" in second


def test_a_long_error_is_cut_to_what_slack_takes(slack: Slack, connection: Callable[..., str]) -> None:
    by_token(connection, slack.port)
    alerts.notify_failure(context(failed("<&>" * 5000)))
    (message,) = slack.messages
    for block in message["blocks"]:
        assert len(block["text"]["text"]) <= 3000
    assert "[...]" in sink.plain_text(message)


def test_a_killed_task_has_no_exception(slack: Slack, connection: Callable[..., str]) -> None:
    by_token(connection, slack.port)
    alerts.notify_failure(context(None))
    (message,) = slack.messages
    assert "killed or lost" in sink.plain_text(message)
    assert "model fct_orders" in sink.plain_text(message)


def test_a_task_that_is_no_dbt_node(slack: Slack, connection: Callable[..., str]) -> None:
    by_token(connection, slack.port)
    alerts.notify_failure(context(ValueError("no such file"), task=SimpleNamespace(owner="data")))
    text = sink.plain_text(slack.messages[0])
    assert "task marts.fct_orders.run" in text
    assert "no such file" in text


def test_secrets_that_airflow_knows_are_masked(slack: Slack, connection: Callable[..., str]) -> None:
    from airflow.sdk.log import mask_secret

    mask_secret("hunter-22-secret")
    by_token(connection, slack.port)
    alerts.notify_failure(context(failed("password hunter-22-secret is wrong")))
    text = sink.plain_text(slack.messages[0])
    assert "hunter-22-secret" not in text
    assert "***" in text


class _Broken(BaseHTTPRequestHandler):
    status = 500
    delay = 0.0

    def do_POST(self) -> None:
        time.sleep(self.delay)
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.mark.parametrize("connect", [by_token, by_webhook])
@pytest.mark.parametrize("trouble", ["away", "500", "slow"])
def test_slack_in_trouble_is_logged_and_nothing_more(
    connection: Callable[..., str],
    connect: Any,
    trouble: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(alerts, "_TIMEOUT_SECONDS", 1)
    handler = type("Handler", (_Broken,), {"delay": 5.0 if trouble == "slow" else 0.0})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    port = server.server_address[1]
    if trouble == "away":
        server.server_close()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
    else:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    connect(connection, port)
    began = time.monotonic()
    alerts.notify_failure(context(failed()))
    assert time.monotonic() - began < 5
    assert "could not be sent through the connection 'slack'" in caplog.text
    if trouble != "away":
        server.shutdown()


def test_a_wrong_token_or_no_connection_is_logged(
    slack: Slack, connection: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    alerts.notify_failure(context(failed()))
    assert "could not be sent" in caplog.text
    caplog.clear()
    by_token(connection, slack.port, "xoxb-wrong")
    alerts.notify_failure(context(failed()))
    assert "invalid_auth" in caplog.text
    assert slack.messages == []
    assert "xoxb-wrong" not in caplog.text


def test_no_alerts_where_nobody_wants_them(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__SLACK_CONN_ID", "")
    alerts.notify_failure(context(failed()))
    assert caplog.text == ""


def test_defaults_of_a_dag() -> None:
    defaults = alerts.alerting_defaults(owner="me", retries=0)
    assert defaults["owner"] == "me"
    assert defaults["retries"] == 0
    assert defaults["retry_delay"] == settings.retry_delay()
    assert defaults["on_failure_callback"] is alerts.notify_failure
