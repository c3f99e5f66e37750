"""A JSON request to a service outside, with its refusals in words."""

import json
import urllib.error
import urllib.request
from typing import Any

from mwaactl.errors import Problem

_TIMEOUT_SECONDS = 20


def call(method: str, url: str, token: str, body: dict[str, Any] | None = None) -> Any:
    """Return the JSON answer to a request with `token` as its bearer.

    Raises Problem when the service refuses or can't be reached; its text never holds the token.
    """
    if not url.startswith(("https://", "http://127.0.0.1:")):
        raise Problem(f"{url} is not an https address.", "A token goes nowhere else.")
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json", "User-Agent": "mwaactl"}
    data = None
    if body is not None:
        data = json.dumps(body).encode()
        headers["Content-Type"] = "application/json; charset=utf-8"
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
            return json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        said = error.read().decode(errors="replace")[:300]
        raise Problem(f"{method} {url}: {error.code} {said}", _NEXT.get(error.code, "See what it says.")) from error
    except (OSError, ValueError) as error:
        raise Problem(f"{url} can't be reached: {error}", "Run it again.") from error


_NEXT = {
    401: "Renew the token.",
    403: "Give the job's token the permission it lacks (`permissions:` of the workflow).",
    404: "Check the repository, the number and that the token may see it.",
}
