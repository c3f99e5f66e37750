"""The parse that a release brings along, taken wherever it is true. Runs inside dbt's virtualenv.

dbt takes a saved parse only for exactly the connection that it was made with (dbt/parser/manifest.py,
`build_manifest_state_check`), which CI doesn't know. So a note beside the parse says what parsing read of the
connection, and where that is the same, so is the parse. All else stays dbt's to check: its own version, vars, profile
and target, environment variables, and each file's content. noting.py makes both.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lean

#: Whatever the project reads: all relations are made of them (dbt/parser/base.py, sources.py), macros chosen by them.
ALWAYS = ("type", "database", "schema")
ALL = "*"  # it read all of it, or what dbt doesn't compare


def note_of(parse: str) -> Path:
    """Return the file that says what the saved parse `parse` depends on."""
    return Path(parse).with_suffix(".json")


def apply() -> None:
    """Let dbt in this process take a noted parse. Call before any dbt command."""
    lean.replace("dbt.parser.manifest:ManifestLoader.is_partial_parsable", _accepting)


def _accepting(original: Callable[..., tuple[bool, Any]]) -> Callable[..., tuple[bool, Any]]:
    """Return ManifestLoader.is_partial_parsable that knows notes."""
    from dbt.events.types import UnableToPartialParse
    from dbt.flags import get_flags
    from dbt_common.events.functions import fire_event

    def is_partial_parsable(self: Any, manifest: Any) -> tuple[bool, Any]:
        note = _read_note(get_flags().PARTIAL_PARSE_FILE_PATH, manifest.metadata.invocation_id)
        if note is not None:
            target = self.root_project.to_target_dict()
            other = [name for name, value in note.items() if target.get(name) != value]
            if other:
                values = ", ".join(f"{name} {note[name]!r}, not {target.get(name)!r}" for name in sorted(other))
                fire_event(UnableToPartialParse(reason=f"the released parse is for a connection with {values}"))
            else:
                manifest.state_check.profile_hash = self.manifest.state_check.profile_hash
        valid, reason = original(self, manifest)
        if valid and note is not None:
            _move(manifest, {name: project.project_root for name, project in self.all_projects.items()})
        return valid, reason

    return is_partial_parsable


def _read_note(parse: str | None, invocation_id: str) -> dict[str, Any] | None:
    """Return what the parse depends on; None if dbt is to judge the connection as a whole."""
    try:
        note = json.loads(note_of(parse or "").read_text())
    except (OSError, ValueError):
        return None
    if note["invocation_id"] != invocation_id or ALL in note["read"]:
        return None
    return dict(note["read"])


def _move(manifest: Any, roots: dict[str, str]) -> None:
    """Say where the files lie here, not where they lay in CI."""
    for file in manifest.files.values():
        if hasattr(file.path, "project_root"):
            file.path.project_root = roots[file.project_name]
    for node in manifest.nodes.values():
        if getattr(node, "root_path", None):
            node.root_path = roots[node.package_name]
