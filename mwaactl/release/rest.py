"""Airflow's REST API through MWAA's InvokeRestApi: no token, no way into the VPC, but limits."""

import threading
import time
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from mwaactl.environments import Environment
from mwaactl.errors import Problem
from mwaactl.release import calls

#: botocore: mwaa, RestApiPath.
PATH_LIMIT = 64
#: 10 calls a second by default (MWAA user guide, "Using the Apache Airflow REST API").
SECONDS_BETWEEN = 0.11
PAGE = 100


class RestError(Problem):
    """Airflow's own refusal; `status` is HTTP's, 0 when there is none."""

    def __init__(self, what: str, status: int = 0) -> None:
        super().__init__(what)
        self.status = status

    @property
    def temporary(self) -> bool:
        """Whether it may go away by itself: the web server restarts, or is busy."""
        return self.status == 0 or self.status >= 500 or self.status == 429


class Rest:
    """The REST API of one environment, by paths without version, e.g. `/dags`."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._client = environment.client("mwaa")
        self._lock = threading.Lock()
        self._next = 0.0

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return Airflow's answer. Raises RestError when Airflow refuses, Problem when MWAA does."""
        if len(path) > PATH_LIMIT:
            raise Problem(
                f"{path} has {len(path)} characters; MWAA passes on paths of {PATH_LIMIT} at most.",
                "Give the DAG a shorter name, or use the Airflow UI.",
            )
        self._wait_for_turn()
        arguments: dict[str, Any] = {"QueryParameters": dict(query)} if query else {}
        if body is not None:
            arguments["Body"] = dict(body)
        role = f"arn:aws:airflow:{self.environment.region}:{self.environment.account}:role/{self.environment.mwaa}"
        try:
            with calls.calling(self.environment, "mwaa", f"{role}/{self.environment.role}", "InvokeRestApi"):
                answer = self._client.invoke_rest_api(Name=self.environment.mwaa, Path=path, Method=method, **arguments)
        except ClientError as error:
            raise _said(error, method, path) from error
        return dict(answer.get("RestApiResponse") or {})

    def all(self, path: str, key: str, query: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return every entry of a collection, page by page: an answer may have 6 MB at most."""
        entries: list[dict[str, Any]] = []
        while True:
            page = self.call("GET", path, {**(query or {}), "limit": PAGE, "offset": len(entries)})
            entries += page.get(key, [])
            if not page.get(key) or len(entries) >= int(page.get("total_entries", 0)):
                return entries

    def _wait_for_turn(self) -> None:
        with self._lock:
            time.sleep(max(0.0, self._next - time.monotonic()))
            self._next = time.monotonic() + SECONDS_BETWEEN


def _said(error: ClientError, method: str, path: str) -> Problem:
    """Return what Airflow, or MWAA in between, said."""
    code = calls.code(error)
    if code == "ResourceNotFoundException":
        return Problem(f"MWAA knows no such environment: {error}", "Correct `mwaa` in infra/environments.yaml.")
    response: Mapping[str, Any] = error.response
    status = int(response.get("RestApiStatusCode") or 0)
    content = response.get("RestApiResponse")
    detail = content.get("detail", content) if isinstance(content, Mapping) else None
    words = detail or response.get("Error", {}).get("Message") or code
    if code == "RestApiServerException" and status < 500:
        status = 503
    if code in ("ValidationException", "RestApiClientException"):
        status = status or 400
    return RestError(f"{method} {path}: {status or code} {words}", status)
