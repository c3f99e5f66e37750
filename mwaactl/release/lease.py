"""The right to change a bucket: held by one apply or rollback at a time, renewed while it lives."""

import os
import secrets
import threading
import time
from dataclasses import replace
from types import TracebackType
from typing import Any

import psutil

from mwaactl.environments import Environment
from mwaactl.errors import Problem
from mwaactl.release import pointer, record
from mwaactl.release.pointer import Changed, State

RENEW_SECONDS = 20.0


def refuse(environment: Environment, state: State) -> None:
    """Raise Problem if somebody is changing the bucket."""
    if state.held:
        left = max(1, round(pointer.LEASE_SECONDS - state.age))
        raise Problem(
            f"{environment.name} is being changed: {state.holder()}.",
            f"Wait for its end. If it was killed, its lease ends within {left} s: then repeat the command.",
        )


class Lease:
    """Held from `take` on until `finish` or `give_up`. `check` is called before each write."""

    def __init__(self, s3: Any, environment: Environment, release: str, action: str, who: str) -> None:
        self._s3 = s3
        self._environment = environment
        self._release = release
        self._content = {
            "release": release,
            "action": action,
            "who": who,
            "since": record.now(),
            "token": secrets.token_hex(8),
            "machine": pointer.this_machine(),
            "pid": os.getpid(),
            "started": psutil.Process().create_time(),
        }
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._lost = False
        self._renewed = 0.0
        self._state = self._before = State()
        self._thread: threading.Thread | None = None

    def take(self, before: State) -> None:
        """Take the lease on what the pointer was when the plan was made. Raises Problem when it was changed since."""
        refuse(self._environment, before)
        self._before = before
        wanted = State(before.release, self._release, self._content)
        try:
            self._state = pointer.write(self._s3, self._environment, before, wanted)
        except Changed:
            there = pointer.read(self._s3, self._environment)
            refuse(self._environment, there)
            raise Problem(
                f"{self._environment.name} was changed meanwhile: the release there is {there.release} now.",
                "Look at it (`mwaactl release status`), then plan and apply again.",
            ) from None
        self._renewed = time.monotonic()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise Problem when the lease is no longer held, so that nothing more may be written."""
        if self._lost or time.monotonic() - self._renewed > pointer.LEASE_SECONDS - 5:
            raise Problem(
                f"This {self._content['action']} lost its lease on {self._environment.name}: it could not be renewed "
                "in time, or another one took over.",
                "Look at `mwaactl release status`, then repeat the command.",
            )

    def finish(self) -> None:
        """Move the pointer to the release. Raises Problem when the lease was lost."""
        self._end()
        with self._lock:
            self.check()
            self._write(State(self._release))

    def give_up(self, wrote: bool) -> None:
        """Let go without moving the pointer; `wrote` says whether files may be of two releases now."""
        self._end()
        with self._lock:
            if not self._lost:
                self._write(State(self._before.release, self._release if wrote else self._before.unfinished))

    def _write(self, wanted: State) -> None:
        try:
            self._state = pointer.write(self._s3, self._environment, self._state, wanted)
        except Changed:
            self._lost = True
            self.check()
        self._renewed = time.monotonic()

    def _renew(self) -> None:
        while not self._stop.wait(RENEW_SECONDS):
            with self._lock:
                if self._stop.is_set() or self._lost:
                    return
                try:
                    self._write(replace(self._state, lease={**self._content, "renewed": record.now()}))
                except Problem:
                    if self._lost:
                        return  # the next check says so
                except Exception:  # noqa: S112 - tried again in time, else the next check says so
                    continue

    def _end(self) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join(10)

    def __enter__(self) -> "Lease":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
