"""What the supervisor is doing, told through state.json to whoever looks."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import psutil

from mwaactl.local.layout import Layout
from mwaactl.local.state import write_json


class Journal:
    """The supervisor's state: its current steps and its phase.

    Phases: starting, empty (no release yet), updating, ready, failed, stopping, stopped.
    """

    def __init__(self, layout: Layout) -> None:
        self._path = layout.state_file
        self._lock = threading.RLock()
        self._written = 0.0
        self.content: dict[str, Any] = {
            "pid": os.getpid(),
            "pid_started": psutil.Process().create_time(),
            "phase": "starting",
            "since": time.time(),
            "root": str(layout.root),
            "source": str(layout.source),
            "airflow_version": layout.airflow_version,
            "round": 0,  # counts finished updates
            "steps": [],
            "error": None,
            "notes": [],
            "components": {},
        }

    def set(self, **values: Any) -> None:
        """Change entries of the state and write it."""
        with self._lock:
            self.content.update(values)
            write_json(self._path, self.content)
            self._written = time.monotonic()

    def note(self, text: str) -> None:
        """Add something that `up` should tell."""
        self.set(notes=[*self.content["notes"], text])

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Record the block as a step; its time is measured, and a failure is marked."""
        step = {"name": name, "task": "", "started": time.time(), "ended": None, "failed": False}
        with self._lock:
            self.content["steps"].append(step)
        self.set()
        try:
            yield
        except BaseException:
            step["failed"] = True
            raise
        finally:
            step.update(ended=time.time(), task="")
            self.set()

    def task(self, text: str) -> None:
        """Say what the current step is at; written at most ten times a second."""
        with self._lock:
            if self.content["steps"]:
                self.content["steps"][-1]["task"] = text[:200]
            if time.monotonic() - self._written > 0.1:
                self.set()
