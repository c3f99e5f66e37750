"""What Slack is told, and that it is told by the real protocol."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from mwaactl.ci_notes import slack
from mwaactl.commands._ci_notes import notify
from mwaactl.errors import Problem
from mwaactl.local import ports, sink
from mwaactl.local.layout import Layout


@pytest.fixture
def messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Start the local environment's Slack; return the file of what it received."""
    path = tmp_path / "messages.jsonl"
    free = ports.choose(Layout(tmp_path, tmp_path, tmp_path))
    sink.start(path, free["slack"], free["mail"])
    monkeypatch.setenv("SLACK_API_URL", f"http://127.0.0.1:{free['slack']}/api/")
    monkeypatch.setenv("SLACK_TOKEN", sink.TOKEN)
    monkeypatch.setenv("SLACK_CHANNEL", "#data-ci")
    return path


@pytest.fixture
def pull_request(tmp_path: Path) -> dict[str, str]:
    event = {
        "pull_request": {
            "number": 12,
            "title": "Faster <flights> & <!channel>",
            "html_url": "https://github.com/octocat/flights/pull/12",
            "user": {"login": "octocat"},
        }
    }
    (tmp_path / "event.json").write_text(json.dumps(event))
    return {
        "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
        "GITHUB_REPOSITORY": "octocat/flights",
        "GITHUB_RUN_ID": "99",
        "ENVIRONMENT": "prod",
    }


def test_a_pull_request_is_told_with_its_title_escaped(
    messages: Path, pull_request: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in pull_request.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(notify, ["opened"])
    assert done.exit_code == 0, done.output
    (message,) = sink.read_messages(messages)
    assert message["channel"] == "#data-ci"
    assert message["text"] == (
        "Pull request <https://github.com/octocat/flights/pull/12|#12 Faster &lt;flights&gt; &amp; &lt;!channel&gt;> "
        "by octocat :eyes: was opened. <https://github.com/octocat/flights/actions/runs/99|Log>"
    )


def test_a_deployment_is_told_with_its_environment() -> None:
    runner = {
        "GITHUB_WORKFLOW": "Deploy",
        "GITHUB_REF_NAME": "main",
        "GITHUB_SHA": "0123456789abcdef",
        "GITHUB_REPOSITORY": "octocat/flights",
        "GITHUB_RUN_ID": "5",
        "ENVIRONMENT": "prod",
    }
    assert slack.message("failed", runner) == (
        "octocat/flights: Deploy of main (0123456) :red_circle: failed (prod). "
        "<https://github.com/octocat/flights/actions/runs/5|Log>"
    )


def test_without_a_token_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLACK_TOKEN", "GITHUB_EVENT_PATH"):
        monkeypatch.delenv(name, raising=False)
    done = CliRunner().invoke(notify, ["failed"])
    assert done.exit_code == 0
    assert "nobody is told" in done.output


def test_what_slack_refuses_is_said_without_the_token(messages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_TOKEN", "xoxb-hush")
    done = CliRunner().invoke(notify, ["failed"])
    assert done.exit_code == 1
    assert "invalid_auth" in done.output
    assert "xoxb-hush" not in done.output
    with pytest.raises(Problem, match="SLACK_CHANNEL"):
        slack.send("x", {"SLACK_TOKEN": "x"})
