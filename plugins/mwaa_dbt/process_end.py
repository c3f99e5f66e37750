"""The end of a process as a descriptor, to be waited for beside others. Standard library only."""

from __future__ import annotations

import os
import select
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class EndedError(Exception):
    """The process is gone already."""


@contextmanager
def pidfd(pid: int) -> Iterator[int]:
    """Give a descriptor that becomes readable when a process ends, child or not. Linux only. Raises EndedError."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError as e:
        raise EndedError(f"process {pid} has ended") from e
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def end_of(child: subprocess.Popen[bytes]) -> Iterator[int]:
    """Give a descriptor that becomes readable when a child process ends, on any system."""
    if hasattr(os, "pidfd_open"):
        with pidfd(child.pid) as fd:
            yield fd
        return
    reading, writing = os.pipe()

    def wait() -> None:
        child.wait()
        os.close(writing)

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    try:
        yield reading
    finally:
        waiting.join()
        os.close(reading)


def readable(fd: int, timeout: float) -> bool:
    """Wait up to `timeout` seconds for a descriptor to become readable; say whether it did."""
    return bool(select.select([fd], [], [], timeout)[0])
