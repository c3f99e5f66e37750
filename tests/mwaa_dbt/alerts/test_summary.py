"""Runs that tell of their success, too: counts, how long, target, release, what was published."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from mwaa_dbt import alerts
from mwaa_dbt.production import PublishDocs, PublishState

from mwaactl.local import aws
from tests.mwaa_dbt.alerts.support import DAG, RUN, Slack, fail, task

BEGAN = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def released(bucket: str, aws_port: int) -> None:
    body = json.dumps({"release": "20261120-1", "unfinished": None}).encode()
    aws.client("s3", aws_port).put_object(Bucket=bucket, Key="team/mwaactl/current.json", Body=body)


def end(success: bool, states: dict[str, str], summary: bool = True, **conf: Any) -> None:
    """Let a run of a DAG with one model, docs and state end."""
    tasks = [
        task(),
        SimpleNamespace(task_id="docs", publishes=PublishDocs.publishes),
        SimpleNamespace(task_id="publish_state", publishes=PublishState.publishes),
    ]
    found = {"marts.fct_orders.run": "success", "docs": "success", "publish_state": "success", **states}
    ti = SimpleNamespace(get_task_states=lambda dag_id, run_ids: {RUN: found})
    dag = SimpleNamespace(dag_id=DAG, tasks=tasks, task_dict={each.task_id: each for each in tasks})
    took = timedelta(minutes=12, seconds=40)
    state = "success" if success else "failed"
    run = SimpleNamespace(run_id=RUN, state=state, conf=conf, start_date=BEGAN, end_date=BEGAN + took)
    callback = alerts.run_alerts(summary)["on_success_callback" if success else "on_failure_callback"]
    callback({"dag": dag, "dag_run": run, "run_id": RUN, "ti": ti, "reason": state})


def test_a_success_is_told_once_with_what_it_did(slack: Slack) -> None:
    end(True, {}, target="prod")
    (message,) = slack.heads
    assert "*succeeded*: 3 succeeded" in message
    assert "• Took 0:12:40\n• Target prod\n• Release 20261120-1\n" in message
    assert "• Published: dbt's docs, the state that pull requests are compared with" in message
    assert "Not published" not in message
    assert slack.replies == []


def test_what_was_not_published_is_said(slack: Slack) -> None:
    end(True, {"docs": "skipped", "publish_state": "skipped"})
    (message,) = slack.heads
    assert "*succeeded*: 1 succeeded, 2 skipped" in message
    assert "• Target dev" in message
    assert "• Not published: dbt's docs, the state that pull requests are compared with" in message


def test_a_failure_closes_its_thread_with_the_same(slack: Slack) -> None:
    fail()
    end(False, {"marts.fct_orders.run": "failed", "docs": "upstream_failed", "publish_state": "upstream_failed"})
    assert len(slack.heads) == 1
    assert "*failed*: 1 failed, 2 not run because of that" in slack.replies[-1]
    assert "• Took 0:12:40" in slack.replies[-1]
    assert "• Not published: dbt's docs" in slack.replies[-1]


def test_without_the_option_a_success_says_nothing(slack: Slack) -> None:
    end(True, {}, summary=False)
    assert slack.messages == []


def test_a_bucket_without_a_release_costs_a_line_only(slack: Slack, bucket: str, aws_port: int) -> None:
    aws.client("s3", aws_port).put_object(Bucket=bucket, Key="team/mwaactl/current.json", Body=b"broken")
    end(True, {})
    (message,) = slack.heads
    assert "Release" not in message
    assert "• Took 0:12:40" in message
