"""How fresh dbt found sources, in words, and what hangs below them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Freshness:
    """What dbt found of one source: `status` is pass, warn, error (stale) or runtime error; `words` say why."""

    unique_id: str
    status: str
    words: str


def read(target_path: Path) -> tuple[Freshness, ...]:
    """Return what `dbt source freshness` left in `target_path`; nothing where it left nothing."""
    try:
        content = json.loads((target_path / "sources.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return ()
    return tuple(Freshness(one["unique_id"], one["status"], _words(one)) for one in content["results"])


def _words(result: Mapping[str, Any]) -> str:
    if result.get("error"):
        return str(result["error"])
    newest = str(result.get("max_loaded_at") or "")
    # dbt takes a table without rows for one of the year 1 (dbt/adapters/base/impl.py, `_create_freshness_response`).
    loaded = "it has no rows" if newest.startswith("0001-") else f"its newest row is of {newest[:16].replace('T', ' ')}"
    limit = (result.get("criteria") or {}).get(f"{result['status']}_after") or {}
    age = _length(timedelta(seconds=float(result.get("max_loaded_at_time_ago_in_s") or 0)))
    old = f", {age} before" if "rows" not in loaded else ""
    return f"{loaded}{old}; more than {limit['count']} {limit['period']}s is too old" if limit else f"{loaded}{old}"


def _length(age: timedelta) -> str:
    hours = round(age.total_seconds() / 3600)
    return f"{hours // 24} days" if hours >= 48 else f"{hours} hours"


def checked(manifest: Mapping[str, Any]) -> set[str]:
    """Return the sources of a render manifest that say how fresh they must be."""
    return {
        unique_id
        for unique_id, source in manifest["sources"].items()
        for limits in [source.get("freshness") or {}]
        if any((limits.get(name) or {}).get("count") for name in ("warn_after", "error_after"))
    }


def below(manifest: Mapping[str, Any], sources: Iterable[str]) -> dict[str, set[str]]:
    """Return for each of the `sources` the nodes of a render manifest that are made from it, tests included."""
    children: dict[str, list[str]] = defaultdict(list)
    for unique_id, node in manifest["nodes"].items():
        for parent in node["depends_on"]["nodes"]:
            children[parent].append(unique_id)
    found = {}
    for source in sources:
        seen: set[str] = set()
        ahead = [source]
        while ahead:
            new = [child for child in children[ahead.pop()] if child not in seen]
            seen.update(new)
            ahead += new
        found[source] = seen
    return found


def name_of(source: str) -> str:
    """Return what people call the source with this unique id: ``raw.flights``."""
    return source.split(".", 2)[-1]
