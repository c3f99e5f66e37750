"""state.json: what the supervisor says, and what everybody else reads."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from mwaactl.errors import Problem
from mwaactl.local.layout import Layout


def write_json(path: Path, content: object, mode: int = 0o644) -> None:
    """Write `content` to `path` in one step: a reader sees the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1, default=str)
    temporary.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in `path`, or an empty one when there is no readable file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def process(pid: int | None, started: float | None) -> psutil.Process | None:
    """Return the living process `pid` that started at `started`; None when it is gone or the pid is another's."""
    if not pid or not started:
        return None
    try:
        found = psutil.Process(pid)
        same = abs(found.create_time() - started) < 2 and found.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return None
    return found if same else None


def supervisor(state: dict[str, Any]) -> psutil.Process | None:
    """Return the supervisor that wrote `state`, if it is alive."""
    return process(state.get("pid"), state.get("pid_started"))


@contextlib.contextmanager
def exclusive(layout: Layout, wait: float = 0) -> Iterator[None]:
    """Hold the environment's lock for the block.

    Raises Problem when another `up` or `down` holds it for longer than `wait` seconds.
    """
    layout.root.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait
    with layout.lock_file.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Problem(
                        f"Another `mwaactl local up` or `down` works on {layout.root}.", "Wait for it, or interrupt it."
                    ) from None
                time.sleep(0.2)
        yield
