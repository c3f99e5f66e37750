"""Where Slack messages and mail go: servers that answer as Slack and SMTP do and keep what they received.

Messages are appended to one file, a JSON object per line, which `mwaactl local messages` reads. slack.py says what
Slack is here.
"""

import json
import threading
import time
from collections.abc import Callable
from email import message_from_bytes, policy
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller

from mwaactl.local import slack

TOKEN, WEBHOOK_PATH = slack.TOKEN, slack.WEBHOOK_PATH

Keep = Callable[[dict[str, Any]], None]


class MessageStore:
    """The file of received messages, and a clock that never gives one timestamp twice."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._last = 0

    def timestamp(self) -> str:
        """Return a new Slack `ts`, which is also the message's id and its thread's."""
        with self._lock:
            self._last = max(self._last + 1, time.time_ns() // 1000)
            return f"{self._last // 1_000_000}.{self._last % 1_000_000:06d}"

    def keep(self, message: dict[str, Any]) -> None:
        """Append `message` to the file, with the time it came."""
        line = json.dumps({"at": time.strftime("%Y-%m-%dT%H:%M:%S%z"), **message}, ensure_ascii=False)
        with self._lock, self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def read_messages(path: Path) -> list[dict[str, Any]]:
    """Return the messages in `path`, oldest first; none when the file isn't there."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


class MailHandler:
    """What aiosmtpd calls for each mail."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep one mail: its addresses, subject and decoded parts."""
        mail = message_from_bytes(envelope.content, policy=policy.default)
        parts = {
            part.get_content_type(): part.get_content() for part in mail.walk() if part.get_content_maintype() == "text"
        }
        self._keep(
            {
                "via": "mail",
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "subject": str(mail["subject"] or ""),
                "text": parts.get("text/plain", ""),
                "html": parts.get("text/html", ""),
            }
        )
        return "250 OK"


def start_slack(store: MessageStore, port: int) -> ThreadingHTTPServer:
    """Start Slack on `port` (0: a free one) in a thread that ends with this process; return its server."""
    handler = type("Handler", (slack.SlackHandler,), {"slack": slack.Workspace(store)})
    server = slack.Server(("127.0.0.1", port), handler)
    threading.Thread(target=server.serve_forever, name="slack", daemon=True).start()
    return server


def start(path: Path, slack_port: int, mail_port: int) -> None:
    """Start both servers in threads that end with this process; messages go to the file `path`."""
    store = MessageStore(path)
    start_slack(store, slack_port)
    Controller(MailHandler(store.keep), hostname="127.0.0.1", port=mail_port).start()


def plain_text(message: dict[str, Any]) -> str:
    """Return what a person would read of a kept message: subject, text, and the texts of its blocks."""
    texts = [str(message.get("subject") or ""), str(message.get("text") or "")]

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("text"), str):
                texts.append(value["text"])
            for inner in value.values():
                collect(inner)
        elif isinstance(value, list):
            for inner in value:
                collect(inner)

    collect(message.get("blocks"))
    collect(message.get("attachments"))
    return "\n".join(text for text in dict.fromkeys(texts) if text)


def as_seen(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return `messages` as a person sees them in Slack: a thread's replies under its first message, changes applied.

    A reply has `reply` set, a changed message `edited`.
    """
    seen: dict[str, dict[str, Any]] = {}
    replies: dict[str, list[dict[str, Any]]] = {}
    for number, message in enumerate(messages):
        if message["via"] == "slack chat.update":
            if message["ts"] in seen:
                new: dict[str, Any] = {
                    name: message[name] for name in ("text", "blocks", "attachments") if name in message
                }
                seen[message["ts"]] |= {**new, "edited": True}
            continue
        shown = dict(message)
        seen[message.get("ts") or f"mail {number}"] = shown
        if thread := message.get("thread_ts"):
            shown["reply"] = True
            replies.setdefault(thread, []).append(shown)
    ordered = []
    for stamp, shown in seen.items():
        if not shown.get("reply"):
            ordered += [shown, *replies.pop(stamp, [])]
    return [*ordered, *(reply for orphans in replies.values() for reply in orphans)]
