"""Where the server of a configuration listens, computed alike by client and server. Standard library only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path


def digest(value: object) -> str:
    """Return a short name for any value that JSON can say."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def names_file(folder: Path, base: str) -> Path:
    """Return the file with the names of the environment variables that a configuration's project reads when parsed."""
    return folder / f"{base}.names"


def read_names(folder: Path, base: str) -> list[str] | None:
    """Return those names, or None if no server has parsed the project yet, or the file is damaged."""
    try:
        return list(json.loads(names_file(folder, base).read_text()))
    except (FileNotFoundError, ValueError):
        return None


def socket_path(
    folder: Path, base: str, names: Iterable[str], env: Mapping[str, str], secrets: Collection[str]
) -> Path:
    """Return the socket of the server whose project was parsed with these variables' values (never a secret's)."""
    return folder / f"{base[:12]}{digest({n: env.get(n) for n in names if n not in secrets})[:12]}.sock"
