"""What tasks import is there before they are forked: in the processes that fork, with Airflow itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from mwaa_dbt import preload

from mwaactl.local.layout import REPOSITORY
from tests import airflow_process

#: As a task's process does: parses the DAG for one task. Prints what was there before, and what came with it.
PARSE = """
import json, sys
sys.argv = json.loads(sys.argv[1])
import airflow
before = set(sys.modules)
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.path[0])
assert not bag.import_errors, bag.import_errors
print(json.dumps([sorted(before), sorted(set(sys.modules) - before)]))
"""
#: The packages that take time; a single new module of them is one that MODULES doesn't bring along.
HEAVY = ("mwaa_dbt", "cosmos", "boto3", "botocore", "requests", "urllib3", "s3transfer", "cryptography")


def modules(tmp_path: Path, built: Path, *command: str, **more: str) -> tuple[set[str], set[str]]:
    """Return the modules that `command` has once Airflow is imported, and those that parsing the DAGs adds."""
    dags = REPOSITORY / "dags"
    env = airflow_process.environment(tmp_path / "airflow", dags, built)
    env |= {"AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"), "AIRFLOW__CORE__LAZY_LOAD_PLUGINS": "False"}
    script = f"import sys; sys.path[0] = {str(dags)!r}\n{PARSE}"
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(command)],
        env={**os.environ, **env, **more},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found: list[list[str]] = json.loads(done.stdout.splitlines()[-1])
    return set(found[0]), set(found[1])


def heavy(found: set[str]) -> set[str]:
    return {name for name in found if name.split(".")[0] in HEAVY}


def test_a_parse_in_a_fork_of_a_worker_imports_nothing_heavy(tmp_path: Path, built: Path) -> None:
    before, after = modules(tmp_path, built, "/usr/local/bin/airflow", "celery", "worker")
    assert set(preload.MODULES) <= before
    assert heavy(after) == set()


def test_switched_off_nothing_is_imported_ahead(tmp_path: Path, built: Path) -> None:
    before, after = modules(
        tmp_path, built, "/usr/local/bin/airflow", "celery", "worker", AIRFLOW__MWAA_DBT__PRELOAD="False"
    )
    assert "mwaa_dbt.project" not in before
    assert "mwaa_dbt.project" in after


def test_environments_load_plugins_before_they_fork() -> None:
    options = yaml.safe_load((REPOSITORY / "infra" / "configuration-options.yaml").read_text())
    assert options["core.lazy_load_plugins"] == "False", "or nothing is imported ahead"


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (["/usr/local/bin/airflow", "celery", "worker"], True),
        (["airflow", "scheduler", "--skip-serve-logs"], True),
        (["airflow", "dag-processor"], True),
        (["airflow", "triggerer"], False),
        (["airflow", "api-server"], False),
        (["airflow", "dags", "list"], False),
        (["airflow"], False),
        (["pytest", "scheduler"], False),
        ([], False),
    ],
)
def test_only_processes_that_fork_import_ahead(command: list[str], answer: bool) -> None:
    assert preload.forks(command) is answer


def test_what_cant_be_imported_is_said_and_the_rest_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(preload, "MODULES", ("no_such_module", "colorsys"))
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    preload.load()
    assert "no_such_module can't be imported ahead of tasks: ModuleNotFoundError" in caplog.text
    assert "colorsys" in sys.modules
