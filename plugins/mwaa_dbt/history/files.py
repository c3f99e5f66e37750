"""Hashes of the files that dbt ran, as dbt's manifest has them. Standard library only."""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from typing import Any

from mwaa_dbt import render_manifest


def checksum(project_dir: Path, node: dict[str, Any]) -> str | None:
    """Return the checksum of the file of `node` (its entry in the render manifest), None if it can't be read.

    dbt's own: SHA-256 of the text without white space at its ends (dbt/parser/read_files.py, 1.11).
    """
    file = node.get("original_file_path")
    if not file or str(file).endswith((".yml", ".yaml")):  # what a .yml declares: dbt has none, or of text of its own
        return None
    package = node.get("package_name")
    root = project_dir if package in (None, project_dir.name) else project_dir / "dbt_packages" / str(package)
    try:
        text = (root / str(file)).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return hashlib.sha256(text.strip().encode()).hexdigest()


def entry(project_dir: Path, unique_id: str) -> dict[str, Any]:
    """Return the entry of a node in the project's render manifest, empty where it isn't."""
    try:
        text = render_manifest.path_of(project_dir).read_bytes()
    except OSError:
        return {}
    begin = text.find(f"\n{json.dumps(unique_id)}: ".encode()) + 1  # one node a line (render_manifest.dumps)
    if not begin:
        return {}
    line = text[begin : text.find(b"\n", begin)]
    return dict(json.loads(line.partition(b": ")[2].rstrip(b",")))


def manifest_digest(project_dir: Path) -> str | None:
    """Return a short hash of the project's render manifest, which names the state of the project; None without one."""
    path = render_manifest.path_of(project_dir)
    try:
        stat = path.stat()
        return _digest(path, stat.st_mtime_ns, stat.st_size)
    except OSError:
        return None


@functools.lru_cache(maxsize=8)
def _digest(path: Path, _mtime_ns: int, _size: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
