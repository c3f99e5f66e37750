"""What dbt said of a run: run_results.json and its log, as records and as sentences."""

from __future__ import annotations

import json
import re
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

_FAILED = ("error", "fail", "runtime error")
_TIMESTAMP = re.compile(r"^\d{2}:\d{2}:\d{2}\s+")
# Where dbt starts to tell of an error that happened before or outside of a node.
_ERROR_START = re.compile(
    r"Encountered an error|(Compilation|Parsing|Database|Runtime|Dependency) Error|Invalid value|Usage: dbt"
    r"|^[\w.]+(Error|Exception): "
)
_TRACEBACK = "Traceback (most recent call last):"
_BETWEEN_TRACEBACKS = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)

#: What to do about errors that people meet most, by what dbt says.
HINTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"Could not set lock on file|Conflicting lock is held"),
        "Another process has the DuckDB file open: DuckDB takes one writing process at a time. Close it, or give all "
        "tasks of this warehouse a pool with one slot ([mwaa_dbt] pool).",
    ),
    (
        re.compile(r"does not match any enabled nodes|nothing to do", re.IGNORECASE),
        "The node is in the render manifest but not in the dbt project: build the manifest again and release both.",
    ),
    (re.compile(r"dbt_packages|dbt deps"), "Build the manifest again: it installs the packages, which travel along."),
)


@dataclass(frozen=True)
class NodeResult:
    """One entry of run_results.json. `execution_time` is in seconds, `failures` in rows."""

    unique_id: str
    status: str
    message: str
    failures: int | None
    execution_time: float
    #: What dbt sent to the warehouse, and the table that `store_failures` filled; empty where there is none.
    compiled_code: str = field(default="", repr=False)
    relation_name: str = ""

    @property
    def warned(self) -> bool:
        """Whether dbt warns of the node."""
        return self.status == "warn"

    @property
    def is_test(self) -> bool:
        """Whether it is a data test or a unit test."""
        return self.unique_id.startswith(("test.", "unit_test."))

    @property
    def failed(self) -> bool:
        """Whether dbt counts the node as failed (a warning isn't)."""
        return self.status in _FAILED

    @property
    def name(self) -> str:
        """Resource type and name, as people say it: ``model fct_flights``."""
        kind, _, rest = self.unique_id.partition(".")
        name = rest.partition(".")[2]
        if kind in ("test", "unit_test"):  # test.<package>.<name>.<hash>
            name = name.split(".")[0]
        return f"{kind.replace('_', ' ')} {name}"


@dataclass(frozen=True)
class Outcome:
    """How one dbt command ended: its exit status, its nodes, and the end of its log (oldest line first)."""

    exit_code: int
    nodes: tuple[NodeResult, ...] = ()
    log_tail: tuple[str, ...] = field(default=(), repr=False)

    @property
    def failed_nodes(self) -> tuple[NodeResult, ...]:
        """The nodes that dbt counts as failed."""
        return tuple(node for node in self.nodes if node.failed)

    @property
    def only_tests_failed(self) -> bool:
        """Whether tests failed on the data, and nothing else went wrong."""
        failed = self.failed_nodes
        return bool(failed) and all(
            node.status == "fail" and node.unique_id.startswith(("test.", "unit_test.")) for node in failed
        )

    def error_text(self) -> str:
        """Return dbt's own words for what went wrong, without time stamps."""
        failed = self.failed_nodes
        if failed:
            return "\n".join(f"{node.name}: {_tidy(node.message) or node.status}" for node in failed)
        lines = [_TIMESTAMP.sub("", line) for line in self.log_tail]
        start = next((index for index, line in enumerate(lines) if _ERROR_START.search(line)), max(len(lines) - 5, 0))
        return "\n".join(line for line in lines[start:] if line.strip()).strip()

    def hint(self) -> str:
        """Return the next step for a well-known error, or an empty string."""
        text = self.error_text()
        return next((hint for pattern, hint in HINTS if pattern.search(text)), "")


def _tidy(message: str) -> str:
    return "\n".join(line.rstrip() for line in message.strip().splitlines() if line.strip())


class LogTail:
    """Keeps the last lines of a log, without the frames of Python's tracebacks.

    dbt's own sentence comes before them, and they are longer than the tail; an exception that only repeats it is left
    out, too. The task's log has everything.
    """

    def __init__(self, size: int = 200) -> None:
        self._lines: deque[str] = deque(maxlen=size)
        self._in_frames = False

    def add(self, line: str) -> None:
        """Keep `line`, if it isn't part of a traceback."""
        text = _TIMESTAMP.sub("", line).rstrip()
        if text == _TRACEBACK:
            self._in_frames = True
        elif self._in_frames:
            if text and not text.startswith(" "):
                self._in_frames = False
                self._add_exception(text)
        elif text not in _BETWEEN_TRACEBACKS:
            self._lines.append(line)

    def _add_exception(self, text: str) -> None:
        message = text.partition(": ")[2] or text
        if not any(line.endswith(message) for line in self._lines):
            self._lines.append(text)

    def lines(self) -> tuple[str, ...]:
        """Return what was kept, oldest first."""
        return tuple(self._lines)


def read(target_path: Path) -> tuple[NodeResult, ...]:
    """Return the results in `target_path`/run_results.json; none where dbt wrote none or was killed while writing."""
    try:
        content = json.loads((target_path / "run_results.json").read_text())
    except (FileNotFoundError, ValueError):
        return ()
    return tuple(
        NodeResult(
            unique_id=result["unique_id"],
            status=str(result["status"]),
            message=str(result.get("message") or ""),
            failures=result.get("failures"),
            execution_time=float(result.get("execution_time") or 0.0),
            compiled_code=str(result.get("compiled_code") or ""),
            relation_name=str(result.get("relation_name") or ""),
        )
        for result in content.get("results", [])
    )
