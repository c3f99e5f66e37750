"""A small client of Airflow's REST API v2."""

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from mwaactl.errors import NOT_RUNNING, Problem
from mwaactl.local.layout import Layout
from mwaactl.local.state import read_json, supervisor


class ApiError(Problem):
    """The API refused a request; `status` is HTTP's."""

    def __init__(self, status: int, method: str, path: str, detail: str) -> None:
        super().__init__(f"{method} {path}: {status} {detail}")
        self.status = status


class Unanswered(Problem):
    """Airflow gave no answer: `refused` where nobody listens, else it took too long (or the connection broke)."""

    def __init__(self, url: str, error: OSError) -> None:
        super().__init__(
            f"Airflow at {url} does not answer: {error}", "See `make status` and `make logs`.", NOT_RUNNING
        )
        reason = getattr(error, "reason", error)
        self.refused = isinstance(reason, ConnectionRefusedError)


class Api:
    """Airflow at `url`, as the admin that everybody is in a local environment."""

    def __init__(self, url: str, timeout: float = 30) -> None:
        self.url = url
        self._timeout = timeout
        self._token = ""

    @classmethod
    def of(cls, layout: Layout) -> "Api":
        """Return the API of a running environment. Raises Problem when it isn't running."""
        state = read_json(layout.state_file)
        if not supervisor(state):
            raise Problem(f"The environment in {layout.root} is not running.", "Start it with `make up`.", NOT_RUNNING)
        return cls(state["urls"]["ui"])

    @property
    def port(self) -> int:
        """The port of its URL."""
        return urllib.parse.urlsplit(self.url).port or 80

    def get(self, path: str, **query: Any) -> Any:
        """Return the answer to GET /api/v2`path`."""
        text = urllib.parse.urlencode({k: v for k, v in query.items() if v is not None}, doseq=True)
        return self._call("GET", f"/api/v2{path}" + (f"?{text}" if text else ""))

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Return the answer to POST /api/v2`path`."""
        return self._call("POST", f"/api/v2{path}", body)

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        """Return the answer to PATCH /api/v2`path`."""
        return self._call("PATCH", f"/api/v2{path}", body)

    def put(self, path: str) -> Any:
        """Return the answer to PUT /api/v2`path`."""
        return self._call("PUT", f"/api/v2{path}")

    def all(self, path: str, key: str, **query: Any) -> list[dict[str, Any]]:
        """Return every entry of a collection, page by page."""
        entries: list[dict[str, Any]] = []
        while True:
            page = self.get(path, limit=100, offset=len(entries), **query)
            entries += page[key]
            if not page[key] or len(entries) >= page.get("total_entries", 0):
                return entries

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        try:
            status, content = self.send(method, path, body)
        except OSError as error:
            raise Unanswered(self.url, error) from error
        if status >= 400:
            text = content.decode(errors="replace")
            try:
                detail = json.loads(text).get("detail", text)
            except ValueError:
                detail = text
            raise ApiError(status, method, path, detail if isinstance(detail, str) else json.dumps(detail))
        return json.loads(content) if content else None

    def send(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """Return status and content of the answer to any request. Raises OSError when there is no answer."""
        status, content = self._open(method, path, body, self.token())
        if status == 401:  # the token is too old, or another environment's
            self._token = ""
            status, content = self._open(method, path, body, self.token())
        return status, content

    def token(self) -> str:
        """Return a JWT that Airflow takes for the admin's. Raises OSError when Airflow doesn't give one."""
        if not self._token:
            status, content = self._open("GET", "/auth/token", None, "")
            if status >= 400:
                raise ConnectionError(f"GET /auth/token: {status}")
            self._token = json.loads(content)["access_token"]
        return self._token

    def _open(self, method: str, path: str, body: Any, token: str) -> tuple[int, bytes]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        request = urllib.request.Request(self.url + path, data, headers, method=method)  # noqa: S310 - http, loopback
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:  # noqa: S310
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
