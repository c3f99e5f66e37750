"""What a process writes, line by line as it comes. Standard library only."""

from __future__ import annotations

import os
import re
import select
from collections.abc import Callable

ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Lines:
    """A pipe that a process writes to; what comes out of it goes to ``on_line``, line by line."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._rest = b""
        self._reading, self.writing = os.pipe()
        os.set_blocking(self._reading, False)

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        self.close_writing()
        os.close(self._reading)

    def close_writing(self) -> None:
        """Leave the pipe's writing end to that process alone."""
        if self.writing >= 0:
            os.close(self.writing)
            self.writing = -1

    def relay_until(self, end: int) -> None:
        """Pass lines on until ``end`` is readable, and then what is left; don't wait for others that hold the pipe."""
        open_ = [self._reading]
        while True:
            ready = select.select([*open_, end], [], [])[0]
            ended = end in ready
            while open_ and (ended or self._reading in ready):
                try:
                    chunk = os.read(self._reading, 65536)
                except BlockingIOError:
                    break
                if not chunk:
                    open_.clear()
                *whole, self._rest = (self._rest + chunk).split(b"\n")
                for line in whole:
                    self._pass_on(line)
                if not ended:
                    break
            if ended:
                if self._rest:
                    self._pass_on(self._rest)
                return

    def _pass_on(self, line: bytes) -> None:
        self._on_line(ANSI.sub("", line.decode(errors="replace").rstrip("\r")))
