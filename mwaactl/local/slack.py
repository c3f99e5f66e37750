"""Slack on one machine: the methods and limits that alerts meet, and faults on demand.

`chat.postMessage` and `chat.update` (Bearer token; JSON or form body), incoming webhooks (`/services/...`). As at
Slack, a channel has an id besides its name, replies name their thread's `ts`, only the id finds a message again, a
message has at most 50 blocks and a section 3,000 characters. POST `/control` makes it fail (see Faults).
"""

import hashlib
import json
import re
import threading
import time
from dataclasses import dataclass, field, fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qs

TOKEN = "xoxb-local-environment"  # noqa: S105 - the sink's own, worth nothing elsewhere
WEBHOOK_PATH = "T0/B0/XYZ"
MAX_BLOCKS, MAX_SECTION, MAX_TEXT = 50, 3000, 40_000


class Store(Protocol):
    """What keeps messages."""

    def timestamp(self) -> str:
        """Return a new `ts`."""

    def keep(self, message: dict[str, Any]) -> None:
        """Keep a message."""


@dataclass
class Faults:
    """How Slack misbehaves, as a JSON object POSTed to /control says; an empty one ends it.

    `status`: answer so many `times` (-1: always) with this HTTP status; 429 with `retry_after` seconds. `slow`: wait so
    long first. `missing`: channels that aren't there. `limit`: a channel takes one message a second, others get a 429.
    """

    status: int = 0
    times: int = -1
    retry_after: int = 1
    slow: float = 0.0
    missing: list[str] = field(default_factory=list)
    limit: bool = False

    def strike(self) -> int:
        """Return the status to answer with; 0: none."""
        if not self.status or not self.times:
            return 0
        self.times -= self.times > 0
        return self.status


class Workspace:
    """What Slack knows: its channels, its messages, its faults."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.faults = Faults()
        self.lock = threading.Lock()
        self._names: dict[str, str] = {}
        self._posted: dict[str, float] = {}

    def channel(self, given: str) -> str | None:
        """Return the id of the channel that is `given` by name or id; None where there is none."""
        if not given or given.lstrip("#") in {name.lstrip("#") for name in self.faults.missing}:
            return None
        if re.fullmatch(r"C[0-9A-F]{10}", given):  # an id, maybe one from before a restart
            return given
        known = "C" + hashlib.sha256(given.lstrip("#").encode()).hexdigest()[:10].upper()
        self._names[known] = given
        return known

    def name(self, channel: str) -> str:
        """Return the name by which the channel was first called."""
        return self._names.get(channel, channel)

    def too_soon(self, channel: str) -> bool:
        """Whether the channel had a message within the last second; if not, it has one now."""
        now = time.monotonic()
        if self.faults.limit and now - self._posted.get(channel, -9.0) < 1.0:
            return True
        self._posted[channel] = now
        return False


class Server(ThreadingHTTPServer):
    """Takes many connections at once."""

    daemon_threads = True
    request_queue_size = 128


class SlackHandler(BaseHTTPRequestHandler):
    """One request to Slack."""

    slack: Workspace
    server_version = "slack-sink"

    def do_POST(self) -> None:
        """Answer an API method or a webhook."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            values = self._fields(body)
        except ValueError:
            return self._answer(400, "invalid_payload")
        if self.path == "/control":
            return self._control(values)
        time.sleep(self.slack.faults.slow)
        with self.slack.lock:
            if status := self.slack.faults.strike():
                return self._refuse(status)
            if self.path.startswith("/services/"):
                return self._webhook(values)
            if self.path.startswith("/api/"):
                return self._method(self.path.removeprefix("/api/").partition("?")[0], values)
        return self._answer(404, "no_such_path")

    def _fields(self, body: bytes) -> dict[str, Any]:
        text = body.decode()
        if "json" in (self.headers.get("Content-Type") or "") or text.lstrip().startswith("{"):
            values = json.loads(text or "{}")
        else:
            values = {key: given[-1] for key, given in parse_qs(text, keep_blank_values=True).items()}
        for name in ("blocks", "attachments", "metadata"):  # JSON inside a form is what slack_sdk sends
            if isinstance(values.get(name), str):
                values[name] = json.loads(values[name])
        return dict(values)

    def _control(self, values: dict[str, Any]) -> None:
        unknown = set(values) - {each.name for each in fields(Faults)}
        if unknown:
            return self._answer(400, f"unknown: {', '.join(sorted(unknown))}")
        self.slack.faults = Faults(**values)
        return self._answer(200, "ok")

    def _refuse(self, status: int) -> None:
        headers = {"Retry-After": str(self.slack.faults.retry_after)} if status == 429 else {}
        self._json({"ok": False, "error": "ratelimited" if status == 429 else "internal_error"}, status, headers)

    def _webhook(self, values: dict[str, Any]) -> None:
        if not values.get("text") and not values.get("blocks") and not values.get("attachments"):
            return self._answer(400, "no_text")
        if too_big(values):
            return self._answer(400, "invalid_blocks")
        self.slack.store.keep({"via": "slack webhook", "ts": self.slack.store.timestamp(), **values})
        return self._answer(200, "ok")

    def _method(self, method: str, values: dict[str, Any]) -> None:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or values.pop("token", "")
        values.pop("token", None)  # kept messages hold no secret
        if token != TOKEN:
            return self._json({"ok": False, "error": "invalid_auth" if token else "not_authed"})
        if method in ("auth.test", "api.test"):
            return self._json({"ok": True, "team": "local", "user": "airflow"})
        if method not in ("chat.postMessage", "chat.update"):
            return self._json({"ok": False, "error": "unknown_method"})
        return self._message(method, values)

    def _message(self, method: str, values: dict[str, Any]) -> None:
        given, update = str(values.get("channel") or ""), method == "chat.update"
        channel = self.slack.channel(given)
        # Slack finds a message by its channel's id only (https://docs.slack.dev/reference/methods/chat.update).
        if channel is None or (update and given != channel):
            return self._json({"ok": False, "error": "channel_not_found"})
        if not values.get("text") and not values.get("blocks") and not values.get("attachments"):
            return self._json({"ok": False, "error": "no_text"})
        if error := too_big(values):
            return self._json({"ok": False, "error": error})
        if not update and self.slack.too_soon(channel):
            self.slack.faults.retry_after = 1
            return self._refuse(429)
        stamp = values.pop("ts", None) if update else None
        if update and not stamp:
            return self._json({"ok": False, "error": "message_not_found"})
        stamp = stamp or self.slack.store.timestamp()
        kept = {**values, "channel": self.slack.name(channel)}
        self.slack.store.keep({"via": f"slack {method}", "ts": stamp, **kept})
        return self._json({"ok": True, "channel": channel, "ts": stamp, "message": kept})

    def _json(self, answer: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._answer(status, json.dumps(answer), "application/json", headers)

    def _answer(self, status: int, text: str, kind: str = "text/plain", headers: dict[str, str] | None = None) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the kept messages are the log."""


def too_big(values: dict[str, Any]) -> str:
    """Return Slack's error for a message that is too big, or an empty string."""
    blocks = values.get("blocks") or []
    sections = [(block.get("text") or {}).get("text") or "" for block in blocks if block.get("type") == "section"]
    if len(blocks) > MAX_BLOCKS or any(not 0 < len(text) <= MAX_SECTION for text in sections):
        return "invalid_blocks"
    return "msg_too_long" if len(values.get("text") or "") > MAX_TEXT else ""
