"""InvokeRestApi: a request to Airflow's REST API, within MWAA's limits."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from mwaactl.local.api import Api
from mwaactl.local.mwaa.errors import Refused, invalid

# MWAA user guide, "Using the Apache Airflow REST API" and "Amazon MWAA frequently asked questions". The length of a
# path is in the service model.
TIMEOUT = 10.0  # seconds
MAX_SIZE = 6 * 2**20  # bytes, of a request's body and of an answer


def invoke(
    api: Api, method: str, path: str, query: Mapping[str, Any] | None, body: Any, status: str = "AVAILABLE"
) -> dict[str, Any]:
    """Send a request to Airflow's `/api/v2` and return the members of InvokeRestApi's answer.

    `api` is to be made with TIMEOUT; `status` is the environment's and is told when Airflow doesn't answer.
    Raises Refused: ValidationException for what MWAA doesn't pass on, RestApiClientException and RestApiServerException
    for Airflow's own 4xx and 5xx.
    """
    if not path.startswith("/") or any(part in ("..", ".") for part in path.split("/")) or set(path) & set("?# \\"):
        raise invalid("Path is the part after /api/v2, e.g. /dags; queries go into QueryParameters.")
    if body is not None and len(json.dumps(body)) > MAX_SIZE:
        raise invalid(f"Body is larger than {MAX_SIZE} bytes.")
    try:
        code, content = api.send(method, f"/api/v2{path}{_query(query or {})}", body)
    except TimeoutError:
        raise _server_error(504, f"Airflow did not answer within {TIMEOUT:.0f} s.") from None
    except OSError as error:
        raise _server_error(503, f"Airflow does not answer; the environment's status is {status}: {error}") from error
    if len(content) > MAX_SIZE:
        raise _server_error(500, f"Airflow's answer is larger than {MAX_SIZE} bytes.")
    answer = {"RestApiStatusCode": code, "RestApiResponse": _document(content)}
    if code >= 400:
        raise Refused("RestApiClientException" if code < 500 else "RestApiServerException", **answer)
    return answer


def _query(query: Mapping[str, Any]) -> str:
    def text(value: Any) -> str:
        return json.dumps(value) if isinstance(value, bool | dict) else str(value)

    pairs = [
        (name, text(one))
        for name, value in query.items()
        if value is not None
        for one in (value if isinstance(value, list) else [value])
    ]
    return f"?{urlencode(pairs)}" if pairs else ""


def _document(content: bytes) -> Any:
    try:
        return json.loads(content) if content else {}
    except ValueError:
        return {"detail": content.decode(errors="replace")}


def _server_error(code: int, detail: str) -> Refused:
    return Refused("RestApiServerException", RestApiStatusCode=code, RestApiResponse={"detail": detail})
