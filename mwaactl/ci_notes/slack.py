"""A message in Slack about what a workflow does."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mwaactl.ci_notes.http import call
from mwaactl.errors import Problem

STATES = {"opened": ":eyes: was opened", "failed": ":red_circle: failed", "released": ":white_check_mark: is released"}


def message(state: str, settings: Mapping[str, str]) -> str:
    """Return one line in Slack's markup: what it is about, `state` (one of STATES), and where to look.

    `settings` are a runner's variables; what people wrote (title, branch) comes from the event's file and is escaped.
    """
    event = _event(settings)
    server, repository = settings.get("GITHUB_SERVER_URL", "https://github.com"), settings.get("GITHUB_REPOSITORY", "")
    pull = event.get("pull_request")
    if pull:
        title = f"#{pull['number']} {pull['title']}"
        subject = f"Pull request <{pull['html_url']}|{_escape(title)}> by {_escape(pull['user']['login'])}"
    else:
        workflow, ref = settings.get("GITHUB_WORKFLOW", "workflow"), settings.get("GITHUB_REF_NAME", "")
        subject = f"{_escape(repository)}: {_escape(workflow)} of {_escape(ref)} ({settings.get('GITHUB_SHA', '')[:7]})"
    target = settings.get("ENVIRONMENT", "")
    where = f" ({_escape(target)})" if target and state != "opened" else ""
    run = f"{server}/{repository}/actions/runs/{settings.get('GITHUB_RUN_ID', '')}"
    return f"{subject} {STATES[state]}{where}. <{run}|Log>"


def send(text: str, settings: Mapping[str, str]) -> bool:
    """Send `text` to SLACK_CHANNEL with SLACK_TOKEN; return False, and do nothing, where no token is set.

    Raises Problem when Slack refuses or can't be reached.
    """
    token, channel = settings.get("SLACK_TOKEN"), settings.get("SLACK_CHANNEL")
    if not token:
        return False
    if not channel:
        raise Problem("SLACK_CHANNEL is not set.", "Name the channel that SLACK_TOKEN writes to.")
    url = (settings.get("SLACK_API_URL") or "https://slack.com/api/").rstrip("/")
    answer = call("POST", f"{url}/chat.postMessage", token, {"channel": channel, "text": text})
    if not answer.get("ok"):
        raise Problem(
            f"Slack refused the message to {channel}: {answer.get('error')}.",
            "Invite the app to the channel, or renew SLACK_TOKEN (scope chat:write).",
        )
    return True


def _event(settings: Mapping[str, str]) -> dict[str, Any]:
    path = settings.get("GITHUB_EVENT_PATH")
    if not path:
        return {}
    try:
        content: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Problem(f"{path} (GITHUB_EVENT_PATH) can't be read: {error}", "Run it on a runner.") from error
    return content


def _escape(text: str) -> str:
    """Return `text` as Slack shows it: & < > would be its markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
