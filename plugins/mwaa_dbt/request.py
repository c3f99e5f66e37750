"""One dbt command, complete: arguments, environment, where it writes. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mwaa_dbt.render_manifest import BUILD_FOLDER, parse_name
from mwaa_dbt.warm.identity import option

#: What dbt is told unless the request says otherwise: nothing that is sent, coloured, or logged where nobody looks, and
#: only the relations of what is selected looked up beforehand.
DEFAULTS = {
    "DO_NOT_TRACK": "1",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "DBT_USE_COLORS": "false",
    "DBT_LOG_LEVEL_FILE": "none",
    "DBT_CACHE_SELECTED_ONLY": "true",
}


@dataclass(frozen=True)
class DbtRequest:
    """One dbt command, complete.

    ``args`` are dbt's arguments without the executable, the command first; --target-path and --log-path are added.
    ``env`` is the whole environment of the process; ``secrets`` names what in it no other process may see.
    ``target_path`` is a directory of this request alone: run_results.json lands there.
    """

    venv: Path
    args: list[str]
    env: dict[str, str] = field(repr=False)
    secrets: frozenset[str]
    project_dir: Path
    target_path: Path

    def arguments(self) -> list[str]:
        """Return dbt's arguments with the places to write to."""
        return [*self.args, "--target-path", str(self.target_path), "--log-path", str(self.target_path)]

    def environment(self) -> dict[str, str]:
        """Return dbt's environment with our defaults and, if it was released, the target's parse of the project."""
        released = self.project_dir / BUILD_FOLDER / parse_name(option(self.args, "--target") or "")
        parse = {"DBT_PARTIAL_PARSE_FILE_PATH": str(released)} if released.is_file() else {}
        defaults = dict(DEFAULTS)
        if "MWAA_DBT_ALL_ARTIFACTS" in self.env:
            del defaults["DBT_CACHE_SELECTED_ONLY"]
        return {**defaults, **parse, **self.env}
