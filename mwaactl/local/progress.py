"""Progress on stderr: live on a terminal, one line per step elsewhere."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table


class Progress(Protocol):
    """Shows steps; call `show` as often as you like, with all steps so far."""

    def show(self, steps: list[dict[str, Any]]) -> None:
        """Show the steps (name, task, started, ended, failed)."""

    def __enter__(self) -> "Progress": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def seconds(value: float) -> str:
    """Return a duration for people: 0.4 s, 12 s, 3 min 05 s."""
    if value < 9.95:
        return f"{value:.1f} s"
    return f"{value:.0f} s" if value < 120 else f"{int(value) // 60} min {int(value) % 60:02d} s"


class PlainProgress:
    """A line when a step begins to take time, and one when it is done."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, float], float] = {}
        self._done: set[tuple[str, float]] = set()

    def show(self, steps: list[dict[str, Any]]) -> None:
        """Print what is new: finished steps, and every ten seconds what a long one is at."""
        now = time.time()
        for step in steps:
            key = (step["name"], step["started"])
            if step["ended"] and key not in self._done:
                self._done.add(key)
                mark = "FAILED" if step["failed"] else "done"
                print(
                    f"{step['name']:<14} {mark} ({seconds(step['ended'] - step['started'])})",
                    file=sys.stderr,
                    flush=True,
                )
            elif not step["ended"] and now - self._said.get(key, step["started"] - 9) > 10:
                self._said[key] = now
                line = f"{step['name']:<14} {step['task'] or '...'} ({seconds(now - step['started'])})"
                print(line, file=sys.stderr, flush=True)

    def __enter__(self) -> "PlainProgress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class LiveProgress:
    """A table that is drawn anew, with the current step's task and elapsed time."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=8)

    def show(self, steps: list[dict[str, Any]]) -> None:
        """Draw the steps."""
        table = Table.grid(padding=(0, 2))
        for step in steps:
            elapsed = seconds((step["ended"] or time.time()) - step["started"])
            mark = "[red]x[/]" if step["failed"] else "[green]ok[/]" if step["ended"] else "[yellow]..[/]"
            table.add_row(mark, step["name"], elapsed, f"[dim]{step['task'][:90]}[/]" if step["task"] else "")
        self._live.update(table)

    def __enter__(self) -> "LiveProgress":
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)


class Steps:
    """The steps of this process, shown with those that another one writes, while the block goes on.

    `others` returns the other process' steps. All of it is drawn ten times a second by a thread.
    """

    def __init__(self, others: Callable[[], list[dict[str, Any]]] = list) -> None:
        self._others = others
        self._steps: list[dict[str, Any]] = []
        self._shown: list[dict[str, Any]] = []
        self._display = progress()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def __enter__(self) -> "Steps":
        self._display.__enter__()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(5)
        self._show()
        self._display.__exit__(kind, error, trace)

    def _run(self) -> None:
        while not self._over.wait(0.1):
            self._show()

    def _show(self) -> None:
        every = [*self._steps, *self._shown, *self._others()]
        self._display.show(sorted(every, key=lambda step: float(step["started"])))

    def show_others(self, steps: list[dict[str, Any]]) -> None:
        """Show these steps, too, in place of those of the last call."""
        self._shown = steps

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show the block as a step, with its time; a failure is marked."""
        step = {"name": name, "task": "", "started": time.time(), "ended": None, "failed": False}
        self._steps = [*self._steps, step]
        try:
            yield
        except BaseException:
            step["failed"] = True
            raise
        finally:
            step.update(ended=time.time(), task="")

    def task(self, text: str) -> None:
        """Say what the last step is at."""
        if self._steps:
            self._steps[-1]["task"] = text[:200]


def progress() -> Progress:
    """Return the display that fits stderr."""
    console = Console(stderr=True)
    return LiveProgress(console) if console.is_terminal else PlainProgress()
