"""infra/monitoring.yaml: alarms that somebody gets, with thresholds that fit the options."""

import json
from typing import Any

import boto3
import pytest
from moto import mock_aws

from mwaactl.local import options
from mwaactl.local.layout import REPOSITORY
from tests.infra import stacks
from tests.infra.test_templates import assert_takes

MADE = stacks.resolved("monitoring")
ALARMS = {key: value for key, value in MADE.items() if "AlarmName" in value}
#: Namespace and metric -> names of its dimensions beside Environment (MWAA's user guide, metrics).
METRICS = {
    ("AmazonMWAA", "SchedulerHeartbeat"): {"Function"},
    ("AmazonMWAA", "ImportErrors"): {"Function"},
    ("AmazonMWAA", "TotalParseTime"): {"Function"},
    ("AmazonMWAA", "ProcessorTimeouts"): {"Function"},
    ("AmazonMWAA", "DagBagSize"): {"Function"},
    ("AmazonMWAA", "TaskInstanceFailures"): {"DAG", "Task"},
    ("AmazonMWAA", "TaskInstanceSuccesses"): {"DAG", "Task"},
    ("AWS/MWAA", "QueuedTasks"): set(),
    ("AWS/MWAA", "RunningTasks"): set(),
    ("AWS/MWAA", "ApproximateAgeOfOldestTask"): set(),
    ("AWS/MWAA", "CPUUtilization"): {"Cluster", "DatabaseRole"},
    ("AWS/MWAA", "MemoryUtilization"): {"Cluster"},
    ("AWS/MWAA", "FreeableMemory"): {"DatabaseRole"},
}


def check_metric(namespace: str, name: str, dimensions: dict[str, str]) -> None:
    """Assert that MWAA has this metric with these dimensions, for this environment."""
    assert dimensions.pop("Environment") == "flights-stage"
    assert set(dimensions) <= METRICS[namespace, name]
    assert bool(dimensions) == bool(METRICS[namespace, name])


def metrics(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the metrics of an alarm, be it one or an expression over several."""
    return [one["MetricStat"]["Metric"] for one in alarm.get("Metrics", ()) if "MetricStat" in one] or [alarm]


@pytest.mark.parametrize("key", ALARMS)
def test_cloudwatch_takes_the_alarm_and_sns_gets_it(key: str) -> None:
    alarm = ALARMS[key]
    assert_takes("cloudwatch", "PutMetricAlarm", alarm)
    for metric in metrics(alarm):
        pairs = {one["Name"]: one["Value"] for one in metric["Dimensions"]}
        check_metric(metric["Namespace"], metric["MetricName"], pairs)
    assert alarm["AlarmActions"] == alarm["OKActions"] == ["Alarms"]  # the topic
    assert alarm["TreatMissingData"] == ("breaching" if key == "SchedulerSilent" else "notBreaching")
    assert alarm["AlarmName"].startswith("flights-stage ")
    with mock_aws():
        cloudwatch = boto3.client(
            "cloudwatch", region_name=stacks.REGION, aws_access_key_id="a", aws_secret_access_key="a"
        )
        cloudwatch.put_metric_alarm(**alarm)
        assert cloudwatch.describe_alarms()["MetricAlarms"][0]["AlarmName"] == alarm["AlarmName"]


def test_thresholds_fit_the_options() -> None:
    chosen = options.read(REPOSITORY)
    assert ALARMS["SlowParsing"]["Threshold"] == int(chosen["core.dagbag_import_timeout"]) / 2
    # A task that was queued for 1800 s (MWAA's default) fails: the alarm must come before, with time to act.
    limit = int(chosen.get("scheduler.task_queued_timeout", "1800"))
    waits = ALARMS["TasksWait"]
    assert waits["Threshold"] + waits["Period"] * waits["EvaluationPeriods"] <= limit * 0.75


def test_the_dashboard_shows_what_there_is() -> None:
    body = json.loads(MADE["Dashboard"]["DashboardBody"])
    alarms, *charts = body["widgets"]
    assert set(alarms["properties"]["alarms"]) == {f"{key}.Arn" for key in ALARMS}
    for chart in charts:
        for namespace, name, *rest in chart["properties"]["metrics"]:
            words = [one for one in rest if isinstance(one, str)]
            check_metric(namespace, name, dict(zip(words[::2], words[1::2], strict=True)))
    taken = [(widget["x"], widget["y"]) for widget in body["widgets"]]
    assert len(set(taken)) == len(taken)
    assert all(widget["x"] + widget["width"] <= 24 for widget in body["widgets"])


def test_mail_goes_out_only_where_an_address_is_given() -> None:
    assert "EmailSubscription" not in MADE
    assert stacks.resolved("monitoring", AlarmEmail="team@example.com")["EmailSubscription"]["Protocol"] == "email"
