"""Airflow's supervisor looks again at once for the end of a process whose sockets are closed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mwaactl.local.layout import REPOSITORY
from tests import airflow_images, airflow_process

#: Supervises a process that closes its sockets and lives on until its supervisor has looked twice since then. Prints
#: how long the supervisor was ready to sleep each time while there was nothing left that could wake it.
SUPERVISE = """
import json, os, sys, time, uuid
sys.argv, gone_on = json.loads(sys.argv[1]), sys.argv[2]
import airflow
from airflow.sdk.execution_time.supervisor import WatchedSubprocess

def target():
    os.closerange(0, 256)
    for _ in range(6000):  # not for ever, should the supervisor be gone
        if os.path.exists(gone_on):
            os._exit(0)
        time.sleep(0.01)
    os._exit(1)

process = WatchedSubprocess.start(id=uuid.uuid4(), target=target)
select, sleeps = process.selector.select, []
def watched(timeout=None):
    if not process.selector.get_map():
        sleeps.append(timeout)
        if len(sleeps) == 2:
            open(gone_on, "w").close()
    return select(timeout)
process.selector.select = watched
while process._service_subprocess(max_wait_time=1.0) is None:
    pass
print(json.dumps(sleeps))
"""


def sleeps(python: str, tmp_path: Path, *command: str, **more: str) -> list[float]:
    """Return what SUPERVISE prints in a process that takes itself for `command`."""
    env = airflow_process.environment(tmp_path / "airflow")
    env |= {"AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"), "AIRFLOW__CORE__LAZY_LOAD_PLUGINS": "False"}
    env |= {"PYTHONPATH": str(REPOSITORY / "plugins"), **more}
    line = [python, "-c", SUPERVISE, json.dumps(command), str(tmp_path / "gone-on")]
    done = subprocess.run(line, env={**os.environ, **env}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("version", [None, "3.2.1", "3.0.6"])
def test_a_worker_looks_again_at_once(tmp_path: Path, version: str | None) -> None:
    python = airflow_images.python(version) if version else sys.executable
    found = sleeps(python, tmp_path, "airflow", "celery", "worker")
    assert len(found) >= 2
    assert max(found) < 0.1


def test_switched_off_it_sleeps_as_airflow_has_it(tmp_path: Path) -> None:
    found = sleeps(sys.executable, tmp_path, "airflow", "scheduler", AIRFLOW__MWAA_DBT__PROMPT_END="False")
    assert min(found) == 1.0


def test_where_no_task_is_forked_nothing_is_changed(tmp_path: Path) -> None:
    found = sleeps(sys.executable, tmp_path, "airflow", "api-server")
    assert min(found) == 1.0
