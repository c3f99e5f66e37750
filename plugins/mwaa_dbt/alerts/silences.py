"""What nobody wants to hear of for a while: a project's `silences.yml`.

- node: stg_planes              # a model, seed, snapshot or test; or a task's id
  reason: the vendor sends no planes until they have moved
  owner: fleet
  until: 2026-12-01             # the last day of silence, UTC
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import yaml

FILE = "silences.yml"
_KEYS = ("node", "reason", "owner", "until")


@dataclass(frozen=True)
class Silence:
    """One entry: which node, why, who answers for it, and the last day."""

    node: str
    reason: str
    owner: str
    until: date

    def expired(self, today: date | None = None) -> bool:
        """Whether its last day has gone by (UTC)."""
        return (today or datetime.now(UTC).date()) > self.until

    @property
    def words(self) -> str:
        """The silence as a sentence's part."""
        return f"{self.node}: {self.reason} ({self.owner}, until {self.until})"


def read(project_dir: Path) -> tuple[list[Silence], list[str]]:
    """Return the project's silences, expired ones too, and what is wrong with the file; no file: neither.

    An entry that can't be understood silences nothing.
    """
    path = project_dir / FILE
    name = f"{project_dir.name}/{FILE}"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return [], []
    except (OSError, ValueError, yaml.YAMLError) as error:
        return [], [f"{name} can't be read, so nothing is silenced: {' '.join(str(error).split())[:300]}"]
    if content is None:
        return [], []
    if not isinstance(content, list):
        return [], [f"{name} is not a list of silences, so nothing is silenced. Begin each with `- node: NAME`."]
    found, problems = [], []
    for number, entry in enumerate(content, 1):
        try:
            found.append(_silence(entry))
        except ValueError as error:
            problems.append(f"{name}, silence {number}: {error} It silences nothing.")
    return found, problems


def problems(project_dir: Path) -> list[str]:
    """Return everything that a release check has to say about the project's silences: what is wrong or expired."""
    found, wrong = read(project_dir)
    return wrong + [expired_words(silence, project_dir) for silence in found if silence.expired()]


def expired_words(silence: Silence, project_dir: Path) -> str:
    """Return the sentence about an expired silence."""
    return f"{project_dir.name}/{FILE}: the silence of {silence.words} has expired. Remove it, or set another day."


def of(names: Iterable[str], silences: Iterable[Silence]) -> Silence | None:
    """Return the silence in force for one of `names`."""
    wanted = set(names)
    return next((silence for silence in silences if silence.node in wanted and not silence.expired()), None)


def _silence(entry: Any) -> Silence:
    if not isinstance(entry, Mapping):
        raise ValueError("an entry has node, reason, owner and until.")
    missing = [key for key in _KEYS if not entry.get(key)]
    if missing:
        raise ValueError(f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing.")
    unknown = [str(key) for key in entry if key not in _KEYS]
    if unknown:
        raise ValueError(f"{', '.join(unknown)} means nothing here: node, reason, owner and until do.")
    until = entry["until"]
    if isinstance(until, str):
        try:
            until = date.fromisoformat(until)
        except ValueError:
            until = None
    if isinstance(until, datetime):
        until = until.date()
    if not isinstance(until, date):
        raise ValueError(f"until is {entry['until']!r}, but must be a day like 2026-12-01.")
    return Silence(str(entry["node"]), str(entry["reason"]), str(entry["owner"]), until)
