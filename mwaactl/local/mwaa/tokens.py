"""The short-lived tokens of CreateWebLoginToken and CreateCliToken."""

import secrets
import threading
import time
from collections.abc import Callable

LIFETIME = (
    60.0  # seconds, of both kinds (MWAA user guide, "Creating an Apache Airflow web login token", "... CLI token")
)


class Tokens:
    """Hands out random tokens and takes them back. They live in memory only."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._ends: dict[tuple[str, str], float] = {}

    def issue(self, kind: str) -> str:
        """Return a new token of `kind` ("web", "cli")."""
        token = secrets.token_urlsafe(48)
        with self._lock:
            now = self._clock()
            self._ends = {key: end for key, end in self._ends.items() if end > now}
            self._ends[kind, token] = now + LIFETIME
        return token

    def accept(self, kind: str, token: str, *, once: bool) -> bool:
        """Say whether `token` is of `kind` and still valid; with `once` it is not valid any more after that."""
        with self._lock:
            end = self._ends.get((kind, token), 0.0)
            if once:
                self._ends.pop((kind, token), None)
        return end > self._clock()
