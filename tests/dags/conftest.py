"""The DAGs folder as each Airflow version parses it, in processes of their own."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mwaactl import manifest
from mwaactl.local.layout import REPOSITORY
from tests import airflow_images, airflow_process


@pytest.fixture(scope="session")
def dags_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of dags/ with the dbt projects in it, manifests built: what the bucket holds."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if base.name.startswith("popen-") else base
    folder = base / "dags"
    with (base / "dags.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (base / "dags.complete").exists():
            shutil.copytree(REPOSITORY / "dags", folder, ignore=shutil.ignore_patterns("__pycache__"))
            ignored = shutil.ignore_patterns(*manifest._MADE)
            shutil.copytree(REPOSITORY / "dbt", folder / "dbt", ignore=ignored)
            for name in manifest.projects(folder / "dbt"):
                manifest.build(name, print, root=folder / "dbt")
            (base / "dags.complete").touch()
    return folder


@pytest.fixture(scope="session")
def parsed(dags_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str | None], dict[str, Any]]:
    """Return a function that parses the DAGs folder with an Airflow version (None: the developer's own)."""
    answers: dict[str | None, dict[str, Any]] = {}

    def parse(version: str | None) -> dict[str, Any]:
        if version not in answers:
            folder = tmp_path_factory.mktemp("parse")
            python = airflow_images.python(version) if version else sys.executable
            answers[version] = probe(python, folder, dags_folder)
        return answers[version]

    return parse


def probe(python: str, home: Path, dags: Path) -> dict[str, Any]:
    """Parse `dags` with `python` in a process without any AWS setting."""
    keep = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
    environment = {
        **keep,
        **airflow_process.environment(home, dags, dags / "dbt"),
        "PYTHONPATH": f"{REPOSITORY / 'plugins'}:{dags}",
    }
    done = subprocess.run(
        [python, str(Path(__file__).with_name("probe.py")), str(dags)],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
