"""Alerts by mail, for teams without Slack: one when the first failures come, one when the run has ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from html import escape
from typing import Any

from mwaa_dbt import settings
from mwaa_dbt.alerts import mail_refusals
from mwaa_dbt.alerts.behind import Behind
from mwaa_dbt.alerts.ending import Ending
from mwaa_dbt.alerts.event import Event, short_hash
from mwaa_dbt.alerts.store import Claim
from mwaa_dbt.compat import BaseHook

log = logging.getLogger(__name__)

#: Failures told with dbt's words in one mail, and characters of each error or query.
_DETAILED, _MAX_TEXT = 15, 4000


class Mail:
    """Tells of a run by mail. What it has told is in ``claim.doc["mail"]``, by address."""

    name = "mail"

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._behind = Behind()

    def tell(self, claim: Claim, events: list[Event], failing: dict[str, Any]) -> None:
        """Tell of failures: the first ones of an address at once, later ones when the run has ended.

        Raises Partly when all but some addresses have been told.
        """
        for address in sorted({address for event in events for address in _addresses(event)}):
            own = claim.doc.setdefault("mail", {}).setdefault(address, {"told": [], "later": []})
            new = [e for e in events if address in _addresses(e) and e.id not in own["told"]]
            if own["told"] and claim.kept:
                own["later"] += [event.subject for event in new]
            elif new:
                run = f"{claim.run.dag_id}, run {claim.run.run_id}"
                subject = f"{claim.run.dag_id}: {new[0].subject} failed"
                if len(new) > 1:
                    subject += f", and {len(new) - 1} more"
                if not self._told(claim, address, subject, f"<p>{escape(run)}</p>{_failures(new, failing)}"):
                    continue
            own["told"] += [event.id for event in new]
            claim.save()
        self._behind.check()

    def end(self, claim: Claim, ending: Ending) -> None:
        """Tell how the run ended, whom it was told that it failed, and those who hear everything. Raises Partly."""
        mails = claim.doc.setdefault("mail", {})
        for address in dict.fromkeys([*mails, *(settings.mail_to() if ending.channels() else ())]):
            own = mails.setdefault(address, {"told": [], "later": []})
            if ending.id in own["told"] or address in self._behind:
                continue
            if self._told(claim, address, ending.summary, _end(ending, own["later"])):
                own["told"].append(ending.id)
                own["later"] = []
                claim.save()
        self._behind.check()

    def _told(self, claim: Claim, address: str, subject: str, content: str) -> bool:
        """Send a mail; return whether `address` is done with: it was taken, or is refused for ever."""
        try:
            if time.monotonic() > self._deadline:
                raise TimeoutError("no time left for another mail")
            self._send(claim, address, subject, content)
        except Exception as error:  # smtplib's, botocore's, ssl's, Airflow's: whatever it is, others are told
            if not mail_refusals.for_ever(error, address):
                self._behind.note(address, error)
                return False
            log.error("No mail to %s, now or later: it is refused: %s", address, error)
            note = f"Mail to {address} is refused: {' '.join(str(error).split())[:300]}"
            claim.doc["notes"] = list(dict.fromkeys([*claim.doc.get("notes", []), note]))
        return True

    @staticmethod
    def _send(claim: Claim, address: str, subject: str, content: str) -> None:
        conn_id, sender = settings.mail_conn_id(), settings.mail_from()
        # Mail programs put together what refers to the same message, even one that was never sent.
        reference = f"<{short_hash(claim.run.path)}@mwaa-dbt.invalid>"
        message: dict[str, Any] = {
            "to": [address],
            "subject": " ".join(subject.split())[:200],
            "html_content": f"<html><body>{content}</body></html>",
            "custom_headers": {"References": reference, "In-Reply-To": reference},
        }
        if BaseHook.get_connection(conn_id).conn_type == "aws":
            from airflow.providers.amazon.aws.hooks.ses import SesHook

            SesHook(aws_conn_id=conn_id).send_email(mail_from=sender, **message)
        else:
            from airflow.providers.smtp.hooks.smtp import SmtpHook

            with SmtpHook(smtp_conn_id=conn_id) as smtp:
                smtp.send_email_smtp(from_email=sender or None, **message)
        log.info("Alert sent by mail through the connection %r.", conn_id)


def _addresses(event: Event) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*settings.mail_to(), *event.route.mail]))


def _failures(events: list[Event], failing: dict[str, Any]) -> str:
    parts = [_failure(event, failing.get(event.task)) for event in events[:_DETAILED]]
    if len(events) > _DETAILED:
        parts.append(f"<h3>{len(events) - _DETAILED} more</h3>{_list(e.subject for e in events[_DETAILED:])}")
    return "".join(parts)


def _failure(event: Event, before: dict[str, Any] | None) -> str:
    still = f" (still failing, since run {before['since']})" if before and before.get("run") != event.run_id else ""
    facts = {"Task": event.task, "Target": event.target, "Tried": event.tries, "Owner": event.route.owner}
    facts["File"] = event.file
    lines = [f"<b>{name}:</b> {escape(value)}" for name, value in facts.items() if value]
    if event.log_url:
        lines.append(f'<a href="{escape(event.log_url)}">Log of this try</a>')
    tests = ""
    for test in event.tests[:_DETAILED]:
        rows = "" if test.rows is None else f", {test.rows} rows"
        tests += f"<p><b>Test:</b> {escape(test.name)}{rows}</p>{_code(test.query)}"
    title = escape(f"{event.subject} failed{still}")
    return f"<h3>{title}</h3>{_code(event.error)}{tests}<p>{'<br>'.join(lines)}</p>"


def _end(ending: Ending, later: list[str]) -> str:
    parts = [f"<p>{escape(ending.dag_id)}, run {escape(ending.run_id)}: {escape(ending.summary)}</p>"]
    for title, lines in (
        ("Summary", list(ending.facts)),
        ("Failed since the mail before", later),
        ("Recovered", [told.line for told in ending.recovered]),
        ("Still failing", [told.line for told in ending.still]),
        ("Warnings", [told.line for told in ending.warned]),
        ("Silenced", list(ending.silenced)),
        ("To be corrected", list(ending.notes)),
    ):
        if lines:
            parts.append(f"<h3>{title}</h3>{_list(lines)}")
    return "".join(parts)


def _list(lines: Iterable[str]) -> str:
    shown = list(lines)
    more = f"<li>and {len(shown) - 200} more</li>" if len(shown) > 200 else ""
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in shown[:200])}{more}</ul>"


def _code(text: str) -> str:
    return f"<pre>{escape(text[:_MAX_TEXT])}</pre>" if text else ""
