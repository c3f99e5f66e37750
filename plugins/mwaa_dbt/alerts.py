"""A failed task says so in Slack, with dbt's own error."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from airflow.providers.slack.notifications.slack import SlackNotifier
from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier

from mwaa_dbt import settings
from mwaa_dbt.compat import BaseHook, redact

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

#: Slack takes 3,000 characters in a section's text (Block Kit reference); the fences and the cut need some.
_MAX_ERROR = 2800
_TIMEOUT_SECONDS = 10


def alerting_defaults(**overrides: Any) -> dict[str, Any]:
    """Return default arguments for a DAG's tasks: retries from the settings, and an alert when a task has failed."""
    return {
        "owner": "data",
        "retries": settings.retries(),
        "retry_delay": settings.retry_delay(),
        "on_failure_callback": notify_failure,
        **overrides,
    }


def notify_failure(context: Context) -> None:
    """Send one Slack message about the failed task of `context`. Slack being away is logged, and nothing more."""
    conn_id = settings.slack_conn_id()
    if not conn_id:
        return
    try:
        _notifier(conn_id, failure_blocks(context), failure_summary(context)).notify(context)
    except Exception:  # whatever happens here must not change the task's state
        log.exception("The alert of this failure could not be sent through the connection %r.", conn_id)
    else:
        log.info("Alert sent through the connection %r.", conn_id)


def _notifier(conn_id: str, blocks: list[dict[str, Any]], summary: str) -> SlackNotifier | SlackWebhookNotifier:
    # Made anew for each message and called by notify(): rendering its templates would run Jinja over dbt's error text.
    if BaseHook.get_connection(conn_id).conn_type == "slackwebhook":
        return SlackWebhookNotifier(
            slack_webhook_conn_id=conn_id, text=summary, blocks=blocks, timeout=_TIMEOUT_SECONDS
        )
    return SlackNotifier(
        slack_conn_id=conn_id,
        text=summary,
        blocks=blocks,
        channel=settings.slack_channel(),
        timeout=_TIMEOUT_SECONDS,
    )


def failure_summary(context: Context) -> str:
    """Return one line: what notifications and screen readers show."""
    ti = context["ti"]
    return f"{_subject(context)} failed in {ti.dag_id} ({ti.task_id})"


def failure_blocks(context: Context) -> list[dict[str, Any]]:
    """Return the message as Slack blocks: what failed, dbt's error, and where to look."""
    ti = context["ti"]
    node = _node(context)
    facts = {
        "DAG": ti.dag_id,
        "Run": ti.run_id,
        "Task": ti.task_id,
        "Try": str(ti.try_number),
        "Owner": getattr(context.get("task"), "owner", "") or "",
        "File": node.get("original_file_path", ""),
    }
    lines = [f"*{name}:* {_escape(value)}" for name, value in facts.items() if value]
    return [
        _section(f":red_circle: *{_escape(_subject(context))}* failed"),
        _section(f"```{_cut(_escape(error_text(context)))}```"),
        _section("\n".join(lines)),
        _section(f"<{ti.log_url}|Log of this try>"),
    ]


def error_text(context: Context) -> str:
    """Return what went wrong in dbt's own words, or the exception's, without any secret Airflow knows."""
    exception = context.get("exception")
    outcome = getattr(exception, "outcome", None)
    if outcome is not None:
        text = "\n".join(filter(None, (outcome.error_text(), outcome.hint())))
    else:
        # Killed and lost tasks get here without an exception (airflow/dag_processing/processor.py).
        text = str(exception) if exception else "The task was killed or lost; its log may say more."
    return str(redact(text)) or type(exception).__name__


def _subject(context: Context) -> str:
    node = _node(context)
    outcome = getattr(context.get("exception"), "outcome", None)
    if outcome is not None and outcome.failed_nodes:
        names = [failed.name for failed in outcome.failed_nodes]
        return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    if node:
        return f"{node['resource_type']} {node['name']}"
    return f"task {context['ti'].task_id}"


def _node(context: Context) -> dict[str, Any]:
    return (getattr(context.get("task"), "extra_context", None) or {}).get("dbt_node_config") or {}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _escape(text: str) -> str:
    # Slack's three control characters, and the fence that the error stands in.
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("```", "'''")


def _cut(escaped: str) -> str:
    if len(escaped) <= _MAX_ERROR:
        return escaped
    # Half an entity would be shown as it stands.
    return re.sub(r"&[a-z]*$", "", escaped[:_MAX_ERROR]) + "\n[...]"
