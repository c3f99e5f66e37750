"""Slack, S3 and mail as alerts meet them: the sink and moto, spoken to by the real clients."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mwaa_dbt.alerts import deliver, run_end
from mwaa_dbt.alerts import slack as transport

from mwaactl.local import aws, sink
from tests.mwaa_dbt.alerts.support import Slack
from tests.ports import free_port


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(deliver, "TOGETHER_SECONDS", 0.5)
    monkeypatch.setattr(run_end, "WAIT_SECONDS", 0.0)


@pytest.fixture(scope="session")
def aws_port() -> Iterator[int]:
    """The port of an AWS of this test session."""
    port = free_port()
    server = aws.start(port)
    yield port
    server.stop()


@pytest.fixture
def bucket(aws_port: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket of this test's own, named in the settings."""
    for name, value in aws.credentials(aws_port, aws_port).items():
        monkeypatch.setenv(name, value)
    name = f"alerts-{uuid.uuid4().hex}"
    aws.client("s3", aws_port).create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__BUCKET", name)
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__BUCKET_PREFIX", "team/")
    return name


@pytest.fixture
def keys(bucket: str, aws_port: int) -> Callable[[], list[str]]:
    """Return a function that lists the bucket."""

    def listed() -> list[str]:
        answer: Any = aws.client("s3", aws_port).list_objects_v2(Bucket=bucket)
        return [entry["Key"] for entry in answer.get("Contents", ())]

    return listed


@pytest.fixture
def silent_slack(tmp_path: Path) -> Iterator[Slack]:
    """Slack without a connection to it."""
    server = Slack(tmp_path)
    yield server
    server.server.shutdown()


def by_token(connection: Callable[..., str], port: int, token: str = sink.TOKEN) -> None:
    """Make the connection `slack` an API token's."""
    connection("slack", conn_type="slack", password=token, extra={"base_url": f"http://127.0.0.1:{port}/api/"})


def by_webhook(connection: Callable[..., str], port: int) -> None:
    """Make the connection `slack` a webhook's."""
    host = f"127.0.0.1:{port}/services"
    connection("slack", conn_type="slackwebhook", schema="http", host=host, password=sink.WEBHOOK_PATH)


@pytest.fixture
def slack(silent_slack: Slack, connection: Callable[..., str]) -> Slack:
    """Slack, reached by an API token."""
    by_token(connection, silent_slack.port)
    return silent_slack
