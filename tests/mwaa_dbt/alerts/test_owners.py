"""Owners are mentioned, and told in their channel; silences have reason, owner and end."""

from __future__ import annotations

from pathlib import Path

import pytest
from mwaa_dbt import alerts
from mwaa_dbt.alerts import owners, silences

from mwaactl.local import sink
from tests.mwaa_dbt.alerts.support import Slack, context, end, fail, failed_tests, task

OWNERS = """
owners:
  fleet: {mention: U012AB3CD, channel: "#fleet-alerts"}
  analytics: {mention: S99GROUP}
  paper: {mail: [a@example.com, b@example.com]}
"""
DAY = "2999-01-01"
pytestmark = pytest.mark.usefixtures("bucket")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "zoo"
    folder.mkdir()
    return folder


def silence(project: Path, node: str, until: str = DAY) -> None:
    entry = f"- {{node: {node}, reason: vendor moves, owner: fleet, until: {until}}}\n"
    with (project / silences.FILE).open("a") as file:
        file.write(entry)


def by_channel(slack: Slack) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for message in slack.seen:
        found.setdefault(message["channel"], []).append(sink.plain_text(message))
    return found


def test_owners_are_mentioned_and_told_where_they_read(slack: Slack, project: Path) -> None:
    (project / owners.FILE).write_text(OWNERS)
    fail("a", owner="fleet", project_dir=project)
    fail("b", owner="analytics", project_dir=project)
    end({"a": "failed", "b": "failed"})
    found = by_channel(slack)
    assert set(found) == {"#fleet-alerts", "#data-alerts"}
    for channel, mention in (("#fleet-alerts", "<@U012AB3CD>"), ("#data-alerts", "<!subteam^S99GROUP>")):
        head, closing = found[channel]
        assert mention in head
        assert "The run *failed*: 2 failed" in closing


def test_an_owner_without_a_mapping_is_named_and_said_once(slack: Slack, project: Path) -> None:
    (project / owners.FILE).write_text(OWNERS)
    for name in "ab":
        fail(name, owner="nobody", project_dir=project)
    end({"a": "failed", "b": "failed"}, tasks=[task(n, project_dir=project) for n in "ab"])
    assert "*Owner:* nobody" in slack.heads[0]
    texts = "\n".join([*slack.heads, *slack.replies])
    assert texts.count("The owner nobody has no entry in the project's alerts.yml") == 1


def test_an_owners_channel_that_slack_refuses(slack: Slack, project: Path) -> None:
    (project / owners.FILE).write_text(OWNERS)
    slack.control(missing=["#fleet-alerts"])
    fail("a", owner="fleet", project_dir=project)
    fail("b", owner="fleet", project_dir=project)
    end({"a": "failed", "b": "failed"})
    assert set(by_channel(slack)) == {"#data-alerts"}
    assert len(slack.heads) == 1
    assert "belongs to the channel #fleet-alerts, but Slack says: #fleet-alerts: channel_not_found" in slack.heads[0]
    assert len(slack.replies) == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("owners: [", "can't be read"),
        ("fleet: {}", "has no `owners:`"),
        ("owners: {fleet: x}", "owner fleet: write mention"),
        ("owners: {fleet: {slack: x}}", "'slack' is none of mention, channel, mail"),
        ("owners: {fleet: {mention: '@carla'}}", "mention is '@carla', but must be"),
        ("owners: {fleet: {channel: }}", "(in quotes: # begins a comment)"),
        ("owners: {fleet: {mail: carla}}", "'carla', which is no address"),
        (b"\xff\xfe\xff", "can't be read"),
    ],
)
def test_a_wrong_owners_file_is_said_and_alerts_go_on(
    slack: Slack, project: Path, content: str | bytes, words: str
) -> None:
    (project / owners.FILE).write_bytes(content if isinstance(content, bytes) else content.encode())
    fail("a", owner="fleet", project_dir=project)
    end({"a": "failed"}, tasks=[task("a", project_dir=project)])
    assert "*model a* failed" in slack.heads[0]
    assert "*Owner:* fleet" in slack.heads[0]
    assert words in slack.replies[-1]


def test_a_silenced_node_is_counted_and_not_told(slack: Slack, project: Path) -> None:
    silence(project, "a")
    fail("a", project_dir=project)
    end({"a": "failed"}, tasks=[task("a", project_dir=project)])
    assert slack.messages == []
    fail("b", project_dir=project, run_id="r2")
    fail("a", project_dir=project, run_id="r2")
    end({"a": "failed", "b": "failed"}, "r2", tasks=[task(n, project_dir=project) for n in "ab"])
    assert "2 failed" in slack.heads[0]
    assert len(slack.replies) == 1
    assert f"*Silenced*\n• a: vendor moves (fleet, until {DAY})" in slack.replies[0]


def test_a_silenced_test_and_one_that_is_not(slack: Slack, project: Path) -> None:
    silence(project, "quiet")
    of = task("a", project_dir=project)
    alerts.notify_failure(context(failed_tests("quiet"), of, tries=1))
    assert slack.messages == []
    alerts.notify_failure(context(failed_tests("quiet", "loud"), of, tries=2))
    assert "`loud`" in slack.heads[0]


def test_an_expired_silence_silences_nothing_and_is_said(slack: Slack, project: Path) -> None:
    silence(project, "a", "2020-02-29")
    fail("a", project_dir=project)
    end({"a": "failed"}, tasks=[task("a", project_dir=project)])
    assert "*model a* failed" in slack.heads[0]
    said = "zoo/silences.yml: the silence of a: vendor moves (fleet, until 2020-02-29) has expired"
    assert said in slack.replies[-1]


def test_an_expired_silence_is_said_once_where_all_is_well(slack: Slack, project: Path) -> None:
    silence(project, "a", "2020-02-29")
    for run_id in ("r1", "r2"):
        end({"a": "success"}, run_id, tasks=[task("a", project_dir=project)])
    assert len(slack.heads) == 1
    assert "has expired" in slack.heads[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("- node: [", "can't be read, so nothing is silenced"),
        ("node: a", "is not a list of silences"),
        ("- a", "silence 1: an entry has node, reason, owner and until"),
        ("- {node: a, until: 2999-01-01}", "silence 1: reason and owner are missing"),
        ("- {node: a, reason: b, owner: c, until: soon}", "until is 'soon', but must be a day like 2026-12-01"),
        ("- {node: a, reason: b, owner: c, until: 2999-01-01, why: d}", "why means nothing here"),
    ],
)
def test_a_silence_that_cannot_be_understood(project: Path, content: str, words: str) -> None:
    (project / silences.FILE).write_text(content)
    assert silences.read(project)[0] == []
    assert words in silences.problems(project)[0]


def test_good_silences_beside_a_bad_one_hold(project: Path) -> None:
    silence(project, "a")
    silence(project, "b", "'2999-13-01'")
    silence(project, "c", f"'{DAY}'")
    found, problems = silences.read(project)
    assert [each.node for each in found] == ["a", "c"]
    assert len(problems) == 1
