"""How long a new worker takes from startup.sh to a virtualenv that runs dbt."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.environment import Environment
from mwaactl.local import startup


def measure(environment: Environment) -> dict[str, Any]:
    """Run startup.sh as a worker in an empty home, with empty package caches; return seconds.

    Raises mwaactl.errors.Problem if the script fails.
    """
    with tempfile.TemporaryDirectory(prefix="bench-cold-") as folder:
        home = Path(folder)
        shutil.copytree(environment.layout.airflow_home / "plugins", home / "plugins")
        shutil.copytree(environment.layout.airflow_home / "startup", home / "startup")
        variables = {**environment.container(), "HOME": folder, "AIRFLOW_HOME": folder}
        variables |= {"UV_CACHE_DIR": f"{folder}/uv", "PIP_CACHE_DIR": f"{folder}/pip"}
        began = time.monotonic()
        exported = startup.execute(variables, environment.venv / "bin" / "python", home / "startup.log")
        built = time.monotonic()
        dbt = f"{exported['DBT_VENV_PATH']}/bin/dbt"
        subprocess.run([dbt, "--version"], check=True, stdout=subprocess.DEVNULL, env={**variables, **exported})
        size = sum(file.stat().st_size for file in Path(dbt).parents[1].rglob("*") if file.is_file())
        ran = time.monotonic()
        return {
            "startup_seconds": round(built - began, 1),
            "dbt_version_seconds": round(ran - built, 1),
            "venv_mb": size >> 20,
        }
