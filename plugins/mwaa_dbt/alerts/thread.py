"""One Slack thread per run and channel: opened by the first failure, closed when the run ends, of bounded size."""

from __future__ import annotations

import logging
from typing import Any

from mwaa_dbt import settings
from mwaa_dbt.alerts import text
from mwaa_dbt.alerts.behind import Behind
from mwaa_dbt.alerts.ending import Ending
from mwaa_dbt.alerts.event import Event
from mwaa_dbt.alerts.slack import NoChannel, Refused, Slack
from mwaa_dbt.alerts.store import Claim
from mwaa_dbt.alerts.text import Block, escape, section

log = logging.getLogger(__name__)

#: So many failures of a thread are told with dbt's words; of the others one reply lists the names.
DETAILED = 15


class Threads:
    """Tells of a run in Slack. What it has told is in ``claim.doc["slack"]``: `told` (ids of events) and `threads`."""

    name = "slack"

    def __init__(self, slack: Slack) -> None:
        self._slack = slack
        self._behind = Behind()

    def tell(self, claim: Claim, events: list[Event], failing: dict[str, Any]) -> None:
        """Tell of failures; `failing` is what failed in earlier runs, by task.

        Raises Undelivered, with everything kept that was told until then; Partly, if only some channels refuse.
        """
        own = claim.doc.setdefault("slack", {})
        told = own.setdefault("told", [])
        crowds: dict[str, list[Event]] = {}
        for event in events:
            if event.id in told:
                continue
            channel = self._channel(own, event.route.channel)
            if channel in self._behind:
                continue
            thread = own.setdefault("threads", {}).setdefault(channel, _new_thread())
            if thread["details"] >= DETAILED:
                crowds.setdefault(channel, []).append(event)
                continue
            try:
                self._tell_one(claim, own, channel, event, failing)
            except Refused as error:
                self._behind.note(channel, error)
                continue
            told.append(event.id)
            claim.save()
        for channel, crowd in crowds.items():
            thread = own["threads"][channel]
            try:
                self._list_more(thread, channel, [event.subject for event in crowd])
            except (NoChannel, Refused) as error:
                self._behind.note(channel, error)
                continue
            thread["failed"] |= {event.task: event.subject for event in crowd}
            told += [event.id for event in crowd]
            claim.save()
        self._update_heads(claim, own)
        self._behind.check()

    def end(self, claim: Claim, ending: Ending) -> None:
        """Tell how the run ended, in every thread of it and wherever else there is something to say.

        Raises as `tell` does.
        """
        own = claim.doc.setdefault("slack", {})
        if ending.id in own.setdefault("told", []):
            return
        threads = own.setdefault("threads", {})
        for channel in sorted({self._channel(own, name) for name in ending.channels()} | set(threads)):
            if channel in self._behind:
                continue  # its failures come first
            try:
                self._end_one(claim, own, self._channel(own, channel), ending)
            except Refused as error:
                self._behind.note(channel, error)
        if not self._behind:
            own["told"].append(ending.id)
        claim.save()
        self._update_heads(claim, own)
        self._behind.check()

    def _end_one(self, claim: Claim, own: dict[str, Any], channel: str, ending: Ending, *notes: Block) -> None:
        thread = own["threads"].setdefault(channel, _new_thread())
        if ending.id in thread["ended"]:
            return
        blocks = ending.blocks(lambda name: self._channel(own, name) == channel, in_thread=bool(thread["ts"]))
        try:
            self._slack.post(channel, ending.summary, [*blocks, *notes], thread["ts"])
        except NoChannel as error:
            self._end_one(claim, own, self._move(own, channel, error), ending, _moved(channel, error))
            return
        thread["last"] = ending.headline
        thread["ended"].append(ending.id)
        claim.save()

    def _tell_one(
        self,
        claim: Claim,
        own: dict[str, Any],
        channel: str,
        event: Event,
        failing: dict[str, Any],
        *notes: Block,
    ) -> None:
        thread = own["threads"].setdefault(channel, _new_thread())
        again = event.task in thread["failed"]
        failed = {**thread["failed"], event.task: event.subject}
        thread.pop("last", None)  # the run goes on
        blocks = [*failure_blocks(event, failing.get(event.task), again), *notes]
        try:
            if thread["ts"]:
                self._slack.post(channel, summary(event), blocks, thread["ts"])
            else:
                head = _head(claim, {**thread, "failed": failed})
                thread["id"], thread["ts"] = self._slack.post(channel, summary(event), [head, *blocks])
                thread |= {"body": blocks, "shown": head}
        except NoChannel as error:
            self._tell_one(claim, own, self._move(own, channel, error), event, failing, _moved(channel, error))
            return
        thread["failed"] = failed  # only now: what wasn't taken is told as new the next time
        thread["details"] += 1

    def _move(self, own: dict[str, Any], channel: str, error: NoChannel) -> str:
        """Return the channel that hears instead of `channel`, from now on."""
        default = self._channel(own, "")
        if channel == default:
            raise Refused(f"Slack has no such channel for this app: {error} (setting slack_channel)") from error
        own.setdefault("moved", {})[channel] = default
        own["threads"].pop(channel, None)
        return default

    def _list_more(self, thread: dict[str, Any], channel: str, subjects: list[str]) -> None:
        more = thread.setdefault("more", {"names": [], "ts": ""})
        names = [*more["names"], *subjects]
        short = f"{len(names)} more failed"
        blocks = [section(f"*{short}:* {text.listed(names)}")]
        # A webhook's messages can't be changed: the run's last one counts them all.
        if more["ts"]:
            self._slack.update(thread["id"], more["ts"], short, blocks)
        elif self._slack.threads:
            more["ts"] = self._slack.post(channel, short, blocks, thread["ts"])[1]
        more["names"] = names

    def _update_heads(self, claim: Claim, own: dict[str, Any]) -> None:
        for thread in own.get("threads", {}).values():
            head = _head(claim, thread)
            if thread["ts"] and thread.get("body") and thread.get("shown") != head:
                try:
                    self._slack.update(thread["id"], thread["ts"], head["text"]["text"], [head, *thread["body"]])
                except Refused as error:  # its replies tell as much
                    log.warning("The first message of a thread could not be changed: %s", error)
                    continue
                thread["shown"] = head
                claim.save()

    def _channel(self, own: dict[str, Any], wanted: str) -> str:
        """Return where what belongs to the channel `wanted` (empty: the environment's) is told."""
        if not self._slack.threads:
            return "webhook"  # it has one channel, and doesn't say which
        return str(own.get("moved", {}).get(wanted, wanted) or settings.slack_channel())


def _new_thread() -> dict[str, Any]:
    return {"id": "", "ts": "", "failed": {}, "details": 0, "ended": []}


def _moved(channel: str, error: NoChannel) -> Block:
    return section(f":warning: This belongs to the channel {escape(channel)}, but Slack says: {escape(str(error))}")


def _head(claim: Claim, thread: dict[str, Any]) -> Block:
    run = f"*{escape(claim.run.dag_id)}* · run `{escape(claim.run.run_id)}`"
    if last := thread.get("last"):
        return section(f"{last['icon']} {run} · {escape(last['text'])}")
    count = f" · *{len(thread['failed'])} failed*" if claim.kept else ""
    return section(f":red_circle: {run}{count}")


def summary(event: Event) -> str:
    """Return one line: what notifications and screen readers show."""
    return escape(f"{event.subject} failed in {event.dag_id} ({event.task})")


def failure_blocks(event: Event, before: dict[str, Any] | None = None, again: bool = False) -> list[Block]:
    """Return what is said of one failure: what failed, dbt's error, and where to look.

    Args:
        event: the failure.
        before: what is known of its failure in earlier runs.
        again: whether it failed in this run before.
    """
    mentioned = f" {text.mention(event.route.mention)}" if event.route.mention else ""
    lines = [f":red_circle: *{escape(event.subject)}* failed{' again' if again else ''}{mentioned}"]
    if before and before.get("run") != event.run_id:
        lines.append(
            f":repeat: *still failing*, since run `{escape(str(before['since']))}` ({before['runs'] + 1} runs)"
        )
    facts = {
        "DAG": event.dag_id,
        "Run": event.run_id,
        "Task": event.task,
        "Try": str(event.try_number) if event.try_number > 0 else "",
        "Tried": event.tries,
        "Target": event.target,
        "Owner": event.route.owner,
        "File": event.file,
    }
    blocks = [
        section("\n".join(lines)),
        section(text.fenced(event.error)),
        *text.tests(event.tests),
        section("\n".join(f"*{name}:* {text.cut(escape(value), 500)}" for name, value in facts.items() if value)),
    ]
    return [*blocks, section(f"<{event.log_url}|Log of this try>")] if event.log_url else blocks
