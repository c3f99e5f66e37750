"""The part of GitHub's REST API that comments need: listing, creating and changing a pull request's comments."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "ghs_of_a_job"  # worth nothing
REPOSITORY = "octocat/flights"


class GitHub:
    """What the server holds: each comment as GitHub's API shows it."""

    def __init__(self) -> None:
        self.comments: list[dict[str, Any]] = []
        self.url = ""

    def add(self, issue: int, body: str, kind: str = "Bot") -> dict[str, Any]:
        """Write a comment as a person (`kind` User) or a job's token does."""
        number = len(self.comments) + 1
        made = {
            "id": number,
            "issue": issue,
            "body": body,
            "user": {"type": kind},
            "html_url": f"https://github.com/{REPOSITORY}/pull/{issue}#issuecomment-{number}",
        }
        self.comments.append(made)
        return made


class _Handler(BaseHTTPRequestHandler):
    github: GitHub

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        match = re.fullmatch(rf"/repos/{REPOSITORY}/issues/(\d+)/comments", parts.path)
        if not self._allowed() or not match:
            return self._answer(404 if self._allowed() else 401, {"message": "no"})
        query = {name: int(values[0]) for name, values in parse_qs(parts.query).items()}
        size, page = query["per_page"], query["page"]
        found = [one for one in self.github.comments if one["issue"] == int(match[1])]
        return self._answer(200, found[(page - 1) * size : page * size])

    def do_POST(self) -> None:
        match = re.fullmatch(rf"/repos/{REPOSITORY}/issues/(\d+)/comments", self.path)
        text = self._body()
        if not self._allowed() or not match:
            return self._answer(404 if self._allowed() else 401, {"message": "no"})
        return self._answer(201, self.github.add(int(match[1]), text))

    def do_PATCH(self) -> None:
        match = re.fullmatch(rf"/repos/{REPOSITORY}/issues/comments/(\d+)", self.path)
        text = self._body()
        if not self._allowed() or not match:
            return self._answer(404 if self._allowed() else 401, {"message": "no"})
        comment = self.github.comments[int(match[1]) - 1]
        comment["body"] = text
        return self._answer(200, comment)

    def _allowed(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _body(self) -> str:
        text = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]
        return str(text)

    def _answer(self, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def running() -> Iterator[GitHub]:
    """Serve on a free port."""
    github = GitHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"github": github}))
    github.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield github
    server.shutdown()
