"""Rules for a project's files about alerts: owners and silences can be understood, no silence has expired."""

from collections.abc import Iterator
from pathlib import Path

from mwaa_dbt.alerts import owners, silences

from mwaactl.lint.findings import Finding


def check(project_dir: Path) -> Iterator[Finding]:
    """Yield what is wrong in the project's alerts.yml and silences.yml; a project needs neither."""
    for file, problems in (
        (owners.FILE, owners.read(project_dir)[1]),
        (silences.FILE, silences.problems(project_dir)),
    ):
        for problem in problems:
            yield Finding(f"dbt/{project_dir.name}/{file}", 1, "alerts", problem)
