"""All rules on one source folder."""

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mwaactl import dbt_venv, manifest, target_parse
from mwaactl.ci.profile import Profile
from mwaactl.ci.runner import Dbt
from mwaactl.lint import alert_rules, dag_rules, dbt_rules, sql
from mwaactl.lint.findings import Finding

Told = Callable[[str], None]


def run(source: Path, projects: Sequence[str], told: Told) -> list[Finding]:
    """Check the dbt projects named, and all DAGs, of the folder `source`; return the findings by file and line.

    Raises Problem when a program that checks can't do its work.
    """
    found: list[Finding] = []
    heads: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="mwaactl-") as folder:
        for project in projects:
            told(f"{project}: dbt")
            head, findings = _parse(source, project, Path(folder) / project, told)
            found += findings
            if head:  # style comes after what dbt can read at all
                heads[project] = head
                told(f"{project}: SQL")
                found += sql.check(source, source / "dbt" / project)
            found += alert_rules.check(source / "dbt" / project)
        told("DAGs")
        found += dag_rules.check(source, Path(folder), heads)
    return sorted(set(found))


def _parse(source: Path, project: str, folder: Path, told: Told) -> tuple[dict[str, Any] | None, list[Finding]]:
    project_dir = source / "dbt" / project
    folder.mkdir(parents=True)
    profile = Profile(project, "", target_parse.parsing_profile(project_dir, manifest.DEFAULT_TARGETS[0], folder))
    with Dbt(dbt_venv.ensure(told), project_dir, profile, folder) as dbt:
        if manifest.has_packages(project_dir):
            dbt.must("deps")
        outcome = dbt.run("parse", "--no-partial-parse", "--show-all-deprecations")
        found = list(dbt_rules.warnings(outcome.warnings, project))
        if not outcome.success:
            return None, [*found, *dbt_rules.warnings([outcome.text()], project)]
        head = json.loads((dbt.target_path / "manifest.json").read_text(encoding="utf-8"))
    return head, [*found, *dbt_rules.nodes(head, project_dir)]
