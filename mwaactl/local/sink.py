"""Where Slack messages and mail go: a server that answers as Slack and SMTP do and keeps what it received.

Speaks `chat.postMessage` (Bearer token; JSON or form body), incoming webhooks (`/services/...`) and SMTP. Messages are
appended to one file, a JSON object per line, which `mwaactl local messages` reads.
"""

import json
import threading
import time
from collections.abc import Callable
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from aiosmtpd.controller import Controller

TOKEN = "xoxb-local-environment"  # noqa: S105 - the sink's own, worth nothing elsewhere
WEBHOOK_PATH = "T0/B0/XYZ"

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


class SlackHandler(BaseHTTPRequestHandler):
    """One request to the Slack sink."""

    store: MessageStore
    server_version = "slack-sink"

    def do_POST(self) -> None:
        """Answer an API method or a webhook."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            fields = self._fields(body)
        except ValueError:
            return self._answer(400, "invalid_payload")
        if self.path.startswith("/services/"):
            return self._webhook(fields)
        if self.path.startswith("/api/"):
            return self._method(self.path.removeprefix("/api/").partition("?")[0], fields)
        return self._answer(404, "no_such_path")

    def _fields(self, body: bytes) -> dict[str, Any]:
        text = body.decode()
        if "json" in (self.headers.get("Content-Type") or "") or text.lstrip().startswith("{"):
            fields = json.loads(text or "{}")
        else:
            fields = {key: values[-1] for key, values in parse_qs(text, keep_blank_values=True).items()}
        for name in ("blocks", "attachments", "metadata"):  # JSON inside a form is what slack_sdk sends
            if isinstance(fields.get(name), str):
                fields[name] = json.loads(fields[name])
        return dict(fields)

    def _webhook(self, fields: dict[str, Any]) -> None:
        if not fields.get("text") and not fields.get("blocks") and not fields.get("attachments"):
            return self._answer(400, "no_text")
        self.store.keep({"via": "slack webhook", "ts": self.store.timestamp(), **fields})
        return self._answer(200, "ok")

    def _method(self, method: str, fields: dict[str, Any]) -> None:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or fields.pop("token", "")
        fields.pop("token", None)  # kept messages hold no secret
        if token != TOKEN:
            return self._json({"ok": False, "error": "invalid_auth" if token else "not_authed"})
        if method in ("auth.test", "api.test"):
            return self._json({"ok": True, "team": "local", "user": "airflow"})
        if method not in ("chat.postMessage", "chat.update"):
            return self._json({"ok": False, "error": "unknown_method"})
        if not fields.get("channel"):
            return self._json({"ok": False, "error": "channel_not_found"})
        if not fields.get("text") and not fields.get("blocks") and not fields.get("attachments"):
            return self._json({"ok": False, "error": "no_text"})
        stamp = fields.pop("ts", None) if method == "chat.update" else None
        stamp = stamp or self.store.timestamp()
        self.store.keep({"via": f"slack {method}", "ts": stamp, **fields})
        return self._json({"ok": True, "channel": fields["channel"], "ts": stamp, "message": fields})

    def _json(self, answer: dict[str, Any]) -> None:
        self._answer(200, json.dumps(answer), "application/json")

    def _answer(self, status: int, text: str, kind: str = "text/plain") -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the kept messages are the log."""


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


def start(path: Path, slack_port: int, mail_port: int) -> None:
    """Start both servers in threads that end with this process; messages go to the file `path`."""
    store = MessageStore(path)
    handler = type("Handler", (SlackHandler,), {"store": store})
    slack = ThreadingHTTPServer(("127.0.0.1", slack_port), handler)
    threading.Thread(target=slack.serve_forever, name="slack", daemon=True).start()
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
