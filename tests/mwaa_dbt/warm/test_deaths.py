"""What deaths leave behind: of the server, of its child, of the task, and on purpose."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from tests.mwaa_dbt.warm.conftest import Zoo, folder, processes_of, servers, wait_for
from tests.mwaa_dbt.warm.processes import SLOW, SLOW_MODEL, children, running


def test_a_killed_server_doesn_t_harm_the_command_that_runs(zoo: Zoo, caplog: pytest.LogCaptureFixture) -> None:
    _, thread, status = running(zoo, "run", "--select", "fct_slow", "--vars", "{rows: 60000}")
    server = next(pid for pid in processes_of(zoo) if children(pid))
    os.kill(server, signal.SIGKILL)
    thread.join(200)
    assert status == [0]
    assert "plain" not in caplog.text
    assert zoo.run("run", "--select", "int_alone") == 0  # and the next task starts another
    assert server not in servers()
    assert "plain" not in caplog.text


def test_a_killed_child_costs_one_fallback(zoo: Zoo, caplog: pytest.LogCaptureFixture) -> None:
    _, thread, status = running(zoo, "run", "--select", "fct_slow", "--vars", "{rows: 60000}")
    server = next(pid for pid in processes_of(zoo) if children(pid))
    os.kill(children(server)[0].pid, signal.SIGKILL)
    thread.join(200)
    assert status == [0]
    assert "which starts over" in caplog.text


def test_a_macro_is_not_run_twice(zoo: Zoo, caplog: pytest.LogCaptureFixture) -> None:
    assert zoo.run("ls") == 0
    process = zoo.start(zoo.request(*SLOW))
    status: list[int] = []
    thread = threading.Thread(target=lambda: status.append(process.run(str)))
    thread.start()
    server = processes_of(zoo)[0]
    wait_for(lambda: children(server))
    time.sleep(1.5)
    os.kill(children(server)[0].pid, signal.SIGKILL)
    thread.join(120)
    assert status == [-signal.SIGKILL]
    assert "not repeated" in caplog.text


@pytest.mark.parametrize("warm", [True, False])
def test_kill_ends_dbt_and_its_query(zoo: Zoo, warm: bool) -> None:
    process, thread, status = running(zoo, *SLOW_MODEL, warm=warm)
    process.kill(grace=10)
    process.kill()
    thread.join(120)
    assert not thread.is_alive()
    assert status[0] != 0
    assert all(not children(pid) for pid in processes_of(zoo))
    assert zoo.run("run", "--select", "int_alone", warm=warm) == 0  # the warehouse isn't locked


@pytest.mark.parametrize("warm", [True, False])
def test_a_kill_before_the_start_runs_nothing(zoo: Zoo, warm: bool) -> None:
    process = zoo.start(zoo.request("run", "--select", "int_alone"), warm)
    process.kill()
    assert process.run(zoo.said.append) == -signal.SIGINT
    assert zoo.said == []


@pytest.mark.parametrize("warm", [True, False])
def test_a_dying_task_takes_dbt_with_it(zoo: Zoo, warm: bool) -> None:
    assert zoo.run("ls") == 0
    script = (
        "import os, sys, tempfile; from pathlib import Path; from mwaa_dbt.process import DbtRequest, start;"
        "tempfile.tempdir = sys.argv[1];"
        "start(DbtRequest(Path(sys.argv[2]), sys.argv[5:], dict(os.environ), frozenset(), Path(sys.argv[3]),"
        f" Path(sys.argv[4])), warm={warm}).run(lambda line: print(line, flush=True))"
    )
    r = zoo.request(*SLOW_MODEL)
    task = subprocess.Popen(
        [
            sys.executable,
            "-c",
            script,
            str(folder().parent),
            str(r.venv),
            str(r.project_dir),
            str(r.target_path),
            *r.args,
        ],
        env={**r.env, "PYTHONPATH": "plugins"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert task.stdout
    next(line for line in task.stdout if "START sql table model" in line)
    task.kill()
    task.wait()
    wait_for(lambda: all(not children(pid) for pid in processes_of(zoo)))
    wait_for(lambda: not any("launcher.py" in " ".join(psutil.Process(p).cmdline()) for p in processes_of(zoo)))
    assert zoo.run("run", "--select", "int_alone", warm=warm) == 0
