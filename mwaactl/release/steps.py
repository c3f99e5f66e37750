"""What an apply is doing now, shown while it does it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mwaactl.local import progress

Show = Callable[[list[dict[str, Any]]], None]


class Steps:
    """Named steps with what each is at; drawn ten times a second while the block runs."""

    def __init__(self, show: Show) -> None:
        self._show = show
        self._steps: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    @contextmanager
    def step(self, name: str) -> Iterator[Callable[[str], None]]:
        """Show a step as long as the block runs; the function that is handed out says what it is at."""
        entry: dict[str, Any] = {"name": name, "task": "", "started": time.time(), "ended": None, "failed": False}
        with self._lock:
            self._steps.append(entry)

        def told(text: str) -> None:
            entry["task"] = text

        try:
            yield told
        except BaseException:
            entry["failed"] = True
            raise
        finally:
            entry["ended"] = time.time()
            self.draw()

    def draw(self) -> None:
        """Show all steps as they are now."""
        with self._lock:
            self._show([dict(one) for one in self._steps])


def bar(done: int, total: int, width: int = 20) -> str:
    """Return a progress bar in text."""
    filled = width * done // max(total, 1)
    return f"[{'=' * filled}{' ' * (width - filled)}] {done}/{total}"


@contextmanager
def shown(show: Show | None = None) -> Iterator[Steps]:
    """Return steps that are shown on stderr, or by `show` instead."""
    if show is None:
        with progress.progress() as display, shown(display.show) as steps:
            yield steps
        return
    steps = Steps(show)
    over = threading.Event()

    def drawing() -> None:
        while not over.wait(0.2):
            steps.draw()

    thread = threading.Thread(target=drawing, name="steps", daemon=True)
    thread.start()
    try:
        yield steps
    finally:
        over.set()
        thread.join()
        steps.draw()
