"""What is built of a dbt project: other bytes each time (ids, times, the order of a set), though the same content.

A build on another machine, or in a fresh checkout, is no change by itself: objects that hold the same content stay.
"""

import json
from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from mwaa_dbt import render_manifest

from mwaactl.manifest import MANIFEST
from mwaactl.release import stages
from mwaactl.release.contents import PLUGINS, File
from mwaactl.release.objects import Bucket, Stored
from mwaactl.release.record import Record

_PARSE = render_manifest.parse_name("*")
_NOTE = str(Path(_PARSE).with_suffix(".json"))


def kept(
    bucket: Bucket, wanted: Mapping[str, File], known: Mapping[str, Stored], current: Record | None
) -> dict[str, Stored]:
    """Return the objects of build folders that hold what is wanted, though in other bytes, by path.

    `known` are the objects that are there, `current` is the release in force. A build stays as a whole or not at all:
    its files name each other. Raises Problem when an object can't be read.
    """
    recorded = current.files if current else {}
    # It holds requirements-dbt.txt: another adapter has other macros.
    if PLUGINS not in known or known[PLUGINS].sha256 != wanted[PLUGINS].sha256:
        return {}
    found: dict[str, Stored] = {}
    for folder, names in _by_folder(wanted).items():
        there = {path for path in known if path.startswith(folder)}
        as_recorded = all(path in recorded and recorded[path].sha256 == known[path].sha256 for path in there)
        if there == names and as_recorded and all(_equal(bucket, path, wanted[path], known[path]) for path in names):
            found.update({path: known[path] for path in names})
    return found


def _by_folder(paths: Iterable[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path in paths:
        if stages.stage_of(path) == stages.MANIFEST:
            folder, _, _ = path.partition(f"/{render_manifest.BUILD_FOLDER}/")
            found.setdefault(f"{folder}/{render_manifest.BUILD_FOLDER}/", set()).add(path)
    return found


def _equal(bucket: Bucket, path: str, file: File, stored: Stored) -> bool:
    """Whether two files of a build say the same, given that the build's other files do.

    The render manifest is the same in bytes: it is sorted, and has the fingerprint of the sources and dbt's version. So
    dbt's manifest and its saved parses are of the same sources. What of the connection a parse depends on is in its
    note.
    """
    if file.sha256 == stored.sha256:
        return True
    name = path.rpartition("/")[2]
    if name == MANIFEST or fnmatch(name, _PARSE):
        return True
    return fnmatch(name, _NOTE) and (ours := _read(file.read())) is not None and ours == _read(bucket.get(path))


def _read(note: bytes) -> Any:
    """Return what the note says was read of the connection (mwaa_dbt/warm/noting.py); None if it can't be read."""
    try:
        return json.loads(note)["read"]
    except (ValueError, KeyError, TypeError):
        return None
