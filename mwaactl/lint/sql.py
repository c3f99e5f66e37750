"""The style of SQL, by sqlfluff as the project's .sqlfluff says."""

import json
import subprocess
import sys
from pathlib import Path

from mwaactl.errors import Problem
from mwaactl.lint.findings import Finding

#: A project's folders of SQL that sqlfluff can read; macros are Jinja before they are SQL.
_FOLDERS = ("models", "tests", "snapshots", "analyses")
CONFIG = ".sqlfluff"


def check(source: Path, project_dir: Path) -> list[Finding]:
    """Return what sqlfluff has against the project's SQL.

    Raises Problem when sqlfluff can't do its work, e.g. because of its configuration.
    """
    folders = [
        str(folder) for name in _FOLDERS if (folder := project_dir / name).is_dir() and any(folder.rglob("*.sql"))
    ]
    if not folders:
        return []
    config = source / CONFIG
    arguments = ["--config", str(config)] if config.is_file() else []
    done = subprocess.run(
        [sys.executable, "-m", "sqlfluff", "lint", "--format", "json", "--disable-progress-bar", *arguments, *folders],
        cwd=source,
        capture_output=True,
        text=True,
    )
    try:
        files = json.loads(done.stdout)
    except ValueError as error:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise Problem(f"sqlfluff could not check {project_dir}:\n{said}", f"Look at {config}.") from error
    return [
        Finding(
            Path(source, file["filepath"]).relative_to(source).as_posix(),
            violation["start_line_no"],
            f"sql-{violation['code']}",
            f"{violation['description']} ({violation['name']})" if violation["name"] else violation["description"],
        )
        for file in files
        for violation in file["violations"]
        if not violation.get("warning")
    ]
