"""All samples of one benchmark, on disk after each of them: what is interrupted keeps what it has."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

SECTIONS = ("cold_start", "parse", "task", "memory", "runs")


class Results:
    """The samples by section; `path` is rewritten with each new one."""

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self.path = path
        self.content: dict[str, Any] = {"about": about, **{section: [] for section in SECTIONS}, "notes": []}

    @classmethod
    def read(cls, path: Path) -> Results:
        """Return what a benchmark left at `path`."""
        content = json.loads(path.read_text())
        results = cls(path, content["about"])
        results.content.update(content)
        return results

    def add(self, section: str, sample: dict[str, Any]) -> None:
        """Keep a sample of one of SECTIONS."""
        self.content[section].append(sample)
        self._write()

    def note(self, text: str) -> None:
        """Keep a remark for the reader: what was sampled, left out, or failed."""
        self.content["notes"].append(text)
        self._write()

    def about(self, **facts: Any) -> None:
        """Add to what is said about the measurement as a whole."""
        self.content["about"].update(facts)
        self._write()

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".tmp")
        draft.write_text(json.dumps(self.content, indent=1) + "\n")
        draft.replace(self.path)

    def select(self, section: str, **wanted: Any) -> list[dict[str, Any]]:
        """Return the samples of a section whose fields have these values."""
        return [s for s in self.content[section] if all(s.get(key) == value for key, value in wanted.items())]

    def median(self, section: str, field: str, **wanted: Any) -> float | None:
        """Return the median of a field over the samples that `select` returns; None without any."""
        values = [sample[field] for sample in self.select(section, **wanted) if field in sample]
        return median(values) if values else None

    def sizes(self, section: str) -> list[int]:
        """Return the sizes that a section has samples of, smallest first."""
        return sorted({sample["size"] for sample in self.content[section]})


def per_task(results: Results, **wanted: Any) -> float | None:
    """Return the worker time of an average task in seconds, all runs taken together; None without any.

    The median of each kind of task (run, test, seed) counts as often as that kind occurs, so that no single slow task
    decides.
    """
    durations: dict[str, list[float]] = {}
    for sample in results.select("runs", **wanted):
        for kind, values in sample["durations"].items():
            durations.setdefault(kind, []).extend(values)
    count = sum(len(values) for values in durations.values())
    return sum(median(values) * len(values) for values in durations.values()) / count if count else None
