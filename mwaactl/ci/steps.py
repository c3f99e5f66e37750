"""The steps of a check: shown while they run, their seconds kept for the summary."""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

from mwaactl.local.progress import Progress


class Steps:
    """What was done so far, and what is being done; `said` tells what the current step is at."""

    def __init__(self, display: Progress) -> None:
        self._display = display
        self._steps: list[dict[str, Any]] = []

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show the block as a step called `name`."""
        step = {"name": name, "task": "", "started": time.time(), "ended": None, "failed": False}
        self._steps.append(step)
        self._display.show(self._steps)
        try:
            yield
        except BaseException:
            step["failed"] = True
            raise
        finally:
            step.update(ended=time.time(), task="")
            self._display.show(self._steps)

    def said(self, text: str) -> None:
        """Show `text` beside the current step."""
        if self._steps:
            self._steps[-1]["task"] = text.strip().splitlines()[0] if text.strip() else ""
            self._display.show(self._steps)

    def failed(self) -> None:
        """Mark the step that is at work as failed, though it goes on to its end."""
        self._steps[-1]["failed"] = True

    def seconds(self) -> dict[str, float]:
        """Return how long each step took."""
        return {one["name"]: round(one["ended"] - one["started"], 1) for one in self._steps if one["ended"]}


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM and SIGHUP interrupt the block as Ctrl-C does: a CI service that cancels a job sends SIGTERM."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # only there can signals be handled
        yield
        return
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
