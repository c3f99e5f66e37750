"""Renders the DAGs of a folder with the real Airflow, in a process that knows nothing but that folder."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mwaa_dbt import render_manifest

from mwaactl.local import options as airflow_options

#: What rendering reads of a dbt project.
PROJECT_FILES = ("dbt_project.yml", f"{render_manifest.BUILD_FOLDER}/{render_manifest.FILE_NAME}")


def copy(source: Path, folder: Path, heads: dict[str, dict[str, Any]]) -> None:
    """Copy to `folder` what rendering reads of the project at `source`.

    `heads` are dbt's manifests of the projects that were parsed just now; of others the built manifest is taken.
    """
    shutil.copytree(source / "dags", folder, ignore=shutil.ignore_patterns("__pycache__"))
    for project in source.glob("dbt/*/dbt_project.yml"):
        place = folder / "dbt" / project.parent.name
        for name in PROJECT_FILES:
            if (project.parent / name).is_file():
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(project.parent / name, place / name)
        if head := heads.get(project.parent.name):
            path = render_manifest.path_of(place)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(render_manifest.dumps(render_manifest.cut(head)), encoding="utf-8")


def render(dags: Path, plugins: Path | None = None, options: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return {"errors": {file: text}, "dags": {dag_id: {...}}} of the folder `dags`, as dag_tasks.py says.

    `plugins` is the folder of the plugins that belong to these DAGs (None, or one that isn't there: those of this
    repository), `options` are the environment's configuration options.
    """
    home = dags.with_name(f"{dags.name}-airflow")
    home.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "AWS_", "DBT_"))}
    # The options that say where secrets come from are of no use without AWS.
    own = {name: value for name, value in (options or {}).items() if not name.startswith("secrets.")}
    beside = [str(plugins)] if plugins and plugins.is_dir() else []
    settings = {
        **airflow_options.variables(own),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        **({"AIRFLOW__CORE__PLUGINS_FOLDER": beside[0]} if beside else {}),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "300",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'never-made.db'}",
        "AIRFLOW__COSMOS__ENABLE_TELEMETRY": "False",
        "AIRFLOW__MWAA_DBT__DBT_ROOT": str(dags / "dbt"),
        # As Airflow does for its own components; what is installed here comes after.
        "PYTHONPATH": os.pathsep.join([*beside, str(dags)]),
    }
    done = subprocess.run(
        [sys.executable, "-m", "mwaactl.ci.dag_tasks", str(dags)],
        env={**kept, **settings},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        return {"errors": {str(dags): (done.stderr.strip() or "Airflow ended").splitlines()[-1]}, "dags": {}}
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
