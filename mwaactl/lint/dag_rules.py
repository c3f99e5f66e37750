"""Rules for DAGs as Airflow sees them: they can be imported, and say whose they are, what for, and under which tags."""

from pathlib import Path
from typing import Any

from mwaactl.ci import rendering
from mwaactl.lint import dag_source
from mwaactl.lint.findings import Finding

#: Whose a task is that says nothing: nobody's.
_NOBODY = "airflow"


def check(source: Path, folder: Path, heads: dict[str, dict[str, Any]]) -> list[Finding]:
    """Return what is against the DAG files of `source`; `heads` are the dbt manifests of its projects.

    Works in `folder`.
    """
    files = sorted(path for path in (source / "dags").rglob("*.py") if "dbt" not in path.relative_to(source).parts[1:2])
    found = [finding for path in files for finding in dag_source.check(path, source)]
    if any(one.rule == "dag-import" for one in found):
        return found
    copied = folder / "dags"
    rendering.copy(source, copied, heads)
    rendered = rendering.render(copied, source / "plugins")
    for file, text in rendered["errors"].items():
        found.append(Finding(f"dags/{file}", 1, "dag-import", f"can't be imported: {text}"))
    for dag_id, dag in rendered["dags"].items():
        file = f"dags/{dag['file']}"
        line = dag_source.dag_lines(source / file).get(dag_id, 1)
        if not dag["doc"].strip():
            found.append(Finding(file, line, "dag-documented", f"DAG {dag_id} has no doc_md"))
        if not dag["tags"]:
            found.append(Finding(file, line, "dag-tagged", f"DAG {dag_id} has no tags"))
        nobodys = [task_id for task_id, task in dag["tasks"].items() if task["owner"] == _NOBODY]
        if len(nobodys) == len(dag["tasks"]):
            found.append(Finding(file, line, "dag-owned", f"DAG {dag_id} has no owner: set it in default_args"))
    return found
