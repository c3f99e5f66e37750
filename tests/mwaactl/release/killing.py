"""An apply that dies in the middle of its calls to AWS: a process that is killed at a call makes no other one."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from botocore.httpsession import URLLib3Session

from mwaactl.environments import Environment

CHANGING = ("PUT", "DELETE", "PATCH")


class Killed(BaseException):
    """No `except Exception` sees it, as none sees a SIGKILL."""


def die() -> None:
    """End this process as `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Calls:
    """The calls that change something, in order, as (method, path). The process dies after the one at `at` (from 1)."""

    at: int | None = None
    end: Callable[[], None] | None = None
    made: list[tuple[str, str]] = field(default_factory=list)
    dead: bool = False

    def __call__(self, request: Any, **_: Any) -> None:
        if self.dead:
            raise Killed
        if request.method not in CHANGING or (request.headers.get("If-Match") or b"") in (b'"never"', '"never"'):
            return
        self.made.append((request.method, urlsplit(request.url).path))
        if len(self.made) == self.at:
            URLLib3Session().send(request)  # it arrives, but its answer isn't heard
            if self.end:
                self.end()
            self.dead = True
            raise Killed


@dataclass(frozen=True)
class Watched(Environment):
    """An environment whose clients' calls are seen by `calls`."""

    calls: Calls = field(default_factory=Calls)

    @classmethod
    def of(cls, environment: Environment, calls: Calls) -> "Watched":
        return cls(**{name: getattr(environment, name) for name in Environment.__dataclass_fields__}, calls=calls)

    def client(self, service: str) -> Any:
        found = super().client(service)
        found.meta.events.register(f"before-send.{service}", self.calls)
        return found
