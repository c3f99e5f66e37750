"""Rules for a dbt project: it parses without a warning; every node is described, owned and tested."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mwaactl.lint.findings import Finding

_NODES = ("model", "seed", "snapshot")
_FILE = re.compile(r"[\w./-]+\.(?:sql|ya?ml|py|csv)\b")
#: Said of every run that has many deprecations, after they were said one by one.
_SUMMARY = "DeprecationsSummary"


def warnings(said: list[str], project: str) -> Iterator[Finding]:
    """Yield a finding for each warning of `dbt parse`, at the file that it names."""
    for text in said:
        if _SUMMARY in text:
            continue
        words = " ".join(text.replace("[WARNING]", "").split())
        named = _FILE.search(words)
        file = named[0] if named else "dbt_project.yml"
        yield Finding(f"dbt/{project}/{file}", 1, "dbt-warning", words)


def nodes(manifest: dict[str, Any], project_dir: Path) -> Iterator[Finding]:
    """Yield what the project's own models, seeds and snapshots lack; those of packages are left alone."""
    project = manifest["metadata"]["project_name"]
    tested = {
        parent
        for one in [*manifest["nodes"].values(), *manifest["unit_tests"].values()]
        if one["resource_type"] in ("test", "unit_test")
        for parent in one["depends_on"]["nodes"]
    }
    for unique_id, node in manifest["nodes"].items():
        if node["resource_type"] not in _NODES or node["package_name"] != project:
            continue
        # "flights://models/marts/airlines.yml": where it is described, if anywhere
        file = (node.get("patch_path") or "").partition("://")[2] or node["original_file_path"]
        line = _line(project_dir / file, node["name"])
        what = f"{node['resource_type']} {node['name']}"

        def lacks(
            rule: str, text: str, file: str = file, line: int = line, what: str = what
        ) -> Finding:  # bound now: the loop goes on
            return Finding(f"dbt/{project}/{file}", line, rule, f"{what} {text}")

        if not node.get("description", "").strip():
            yield lacks("described", "has no description")
        if not (node["config"].get("meta") or {}).get("owner") and not node.get("group"):
            yield lacks("owned", "has no owner: set config.meta.owner (or a group)")
        if unique_id not in tested:
            yield lacks("tested", "has no test")


def _line(path: Path, name: str) -> int:
    """Return the line of `path` that names the node, 1 if none does."""
    if path.suffix in (".yml", ".yaml") and path.is_file():
        pattern = re.compile(rf"-\s*\{{?\s*name:\s*['\"]?{re.escape(name)}['\"]?\s*(?:[,}}#]|$)")
        lines = path.read_text(encoding="utf-8").splitlines()
        # A column may have the same name as a model: what is indented least is meant.
        found = [
            (len(line) - len(line.lstrip()), number) for number, line in enumerate(lines, 1) if pattern.search(line)
        ]
        return min(found, default=(0, 1))[1]
    return 1
