"""The life of a warm server: started once, ended by idleness or change, and what deaths leave behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from mwaa_dbt.process import Limits

from tests.mwaa_dbt.warm.conftest import Zoo, folder, servers, wait_for

SLOW = ["run-operation", "slow"]
SLOW_MODEL = ["run", "--select", "fct_slow", "--vars", "{rows: 10000000}"]


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "mwaa_dbt.process")


def servers_of(zoo: Zoo) -> list[int]:
    """Return the servers of this zoo, listening or about to."""
    alive = dbt_processes(zoo)
    return [pid for pid in alive if psutil.Process(pid).ppid() not in alive]


def children(pid: int) -> list[psutil.Process]:
    return [c for c in psutil.Process(pid).children() if c.status() != psutil.STATUS_ZOMBIE]


def dbt_processes(zoo: Zoo) -> list[int]:
    """Return the processes that run dbt for this zoo: a launcher or server of its own."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        line = " ".join(process.info["cmdline"] or [])
        if ("launcher.py" in line or "server.py" in line) and process.info["cwd"] == str(zoo.project):
            found.append(process.pid)
    return found


def running(zoo: Zoo, *args: str, warm: bool = True) -> tuple[object, threading.Thread, list[int]]:
    """Start a command in a thread and return once its node runs."""
    process = zoo.start(zoo.request(*args), warm)
    status: list[int] = []
    lines: list[str] = []
    thread = threading.Thread(target=lambda: status.append(process.run(lines.append)))
    thread.start()
    wait_for(lambda: any("START sql table model" in line or "the end" in line for line in lines) or status)
    time.sleep(0.5)
    assert not status, lines
    return process, thread, status


def test_first_tasks_of_a_moment_start_one_server(zoo: Zoo) -> None:
    before = set(servers())
    status: list[int] = []
    requests = [zoo.request("ls", "--select", "int_alone") for _ in range(4)]
    threads = [threading.Thread(target=lambda r=r: status.append(zoo.start(r).run(str))) for r in requests]
    for thread in threads:
        thread.start()
    while any(t.is_alive() for t in threads):
        time.sleep(0.05)
    assert status == [0, 0, 0, 0]
    assert len(set(servers()) - before) == 1
    assert len(servers_of(zoo)) == 1


def test_a_warm_run_starts_no_process_but_a_fork(zoo: Zoo) -> None:
    assert zoo.run("ls", "--select", "int_alone") == 0
    (server,) = servers_of(zoo)
    seen: dict[int, list[str]] = {}
    process = zoo.start(zoo.request("run", "--select", "int_alone"))
    status: list[int] = []
    thread = threading.Thread(target=lambda: status.append(process.run(str)))
    thread.start()
    while thread.is_alive():
        for child in psutil.Process(server).children(recursive=True) + psutil.Process().children(recursive=True):
            try:
                seen[child.pid] = child.cmdline()
            except psutil.Error:
                continue
        time.sleep(0.005)
    assert status == [0]
    assert len([c for c in seen.values() if c]) == 1
    assert psutil.Process(server).ppid() != os.getpid()  # it outlives the task that started it


def test_a_killed_server_doesn_t_harm_the_command_that_runs(zoo: Zoo, caplog: pytest.LogCaptureFixture) -> None:
    _, thread, status = running(zoo, "run", "--select", "fct_slow", "--vars", "{rows: 100000}")
    server = next(pid for pid in dbt_processes(zoo) if children(pid))
    os.kill(server, signal.SIGKILL)
    thread.join(60)
    assert status == [0]
    assert "plain" not in caplog.text
    assert zoo.run("run", "--select", "int_alone") == 0  # and the next task starts another
    assert server not in servers()
    assert "plain" not in caplog.text


def test_a_killed_child_costs_one_fallback(zoo: Zoo, caplog: pytest.LogCaptureFixture) -> None:
    _, thread, status = running(zoo, "run", "--select", "fct_slow", "--vars", "{rows: 100000}")
    server = next(pid for pid in dbt_processes(zoo) if children(pid))
    os.kill(children(server)[0].pid, signal.SIGKILL)
    thread.join(60)
    assert status == [0]
    assert "which starts over" in caplog.text


def test_a_macro_is_not_run_twice(zoo: Zoo, caplog: pytest.LogCaptureFixture) -> None:
    assert zoo.run("ls") == 0
    process = zoo.start(zoo.request(*SLOW))
    status: list[int] = []
    thread = threading.Thread(target=lambda: status.append(process.run(str)))
    thread.start()
    server = dbt_processes(zoo)[0]
    wait_for(lambda: children(server))
    time.sleep(1.5)
    os.kill(children(server)[0].pid, signal.SIGKILL)
    thread.join(30)
    assert status == [-signal.SIGKILL]
    assert "not repeated" in caplog.text


@pytest.mark.parametrize("warm", [True, False])
def test_kill_ends_dbt_and_its_query(zoo: Zoo, warm: bool) -> None:
    process, thread, status = running(zoo, *SLOW_MODEL, warm=warm)
    process.kill(grace=10)
    process.kill()
    thread.join(20)
    assert not thread.is_alive()
    assert status[0] != 0
    assert all(not children(pid) for pid in dbt_processes(zoo))
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
    wait_for(lambda: all(not children(pid) for pid in dbt_processes(zoo)))
    wait_for(lambda: not any("launcher.py" in " ".join(psutil.Process(p).cmdline()) for p in dbt_processes(zoo)))
    assert zoo.run("run", "--select", "int_alone", warm=warm) == 0


def _served_by(zoo: Zoo) -> int:
    before = set(servers_of(zoo))
    assert zoo.run("run", "--select", "of_env") == 0, zoo.said
    after = set(servers_of(zoo))
    return (after - before or after).pop()


def _change(zoo: Zoo, cause: str) -> None:
    if cause == "a model":
        (zoo.project / "models/extra/of_env.sql").write_text("select 'changed' as flavor, 's' as s")
    elif cause == "a package":
        (zoo.project / "packages/toolbox/macros/new.sql").write_text("{% macro new() %}1{% endmacro %}")
    elif cause == "a file with the old size and time":
        path = zoo.project / "models/extra/of_env.sql"
        old = path.stat()
        path.write_text(path.read_text().replace("plain", "PLAIN"))
        os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))
    elif cause == "the build folder":
        (zoo.project / "build").mkdir(exist_ok=True)
        (zoo.project / "build" / "manifest.json").write_text("{}")
    elif cause == "a file gone":
        (zoo.project / "models/extra/warned.sql").unlink()
    elif cause == "the profile":
        path = zoo.root / "profiles.yml"
        path.write_text(path.read_text().replace("schema: main", "schema: changed"))
    elif cause == "a variable of the project":
        zoo.env["FLAVOR"] = "sweet"
    elif cause == "a variable of the profile":
        zoo.env["WAREHOUSE"] = str(zoo.root / "another.duckdb")


@pytest.mark.parametrize(
    "cause",
    [
        "a model",
        "a package",
        "a file with the old size and time",
        "the build folder",
        "a file gone",
        "the profile",
        "a variable of the project",
        "a variable of the profile",
    ],
)
def test_an_old_project_is_never_served(zoo: Zoo, cause: str, caplog: pytest.LogCaptureFixture) -> None:
    first = _served_by(zoo)
    assert _served_by(zoo) == first
    _change(zoo, cause)
    assert _served_by(zoo) != first
    assert "plain" not in caplog.text


def test_a_changed_virtualenv_is_noticed(zoo: Zoo, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    venv = tmp_path / "venv"
    subprocess.run([zoo.venv / "bin" / "python", "-m", "venv", "--without-pip", venv], check=True)
    (packages,) = venv.glob("lib/python*/site-packages")
    (original,) = zoo.venv.glob("lib/python*/site-packages")
    (packages / "dbt.pth").write_text(f"{original}\n")
    zoo.venv = venv
    first = _served_by(zoo)
    (packages / "something_new.py").touch()
    assert _served_by(zoo) != first
    assert "plain" not in caplog.text


def test_a_server_ends_when_nobody_asks(zoo: Zoo) -> None:
    zoo.limits = Limits(idle=1)
    assert zoo.run("ls") == 0
    wait_for(lambda: not dbt_processes(zoo), 15)


def test_children_are_bounded_and_the_rest_runs_plain(zoo: Zoo, caplog: pytest.LogCaptureFixture) -> None:
    zoo.limits = Limits(idle=60, max_children=1, busy=0.5)
    assert zoo.run("ls") == 0
    slow = zoo.start(zoo.request(*SLOW))
    thread = threading.Thread(target=lambda: slow.run(str))
    thread.start()
    wait_for(lambda: children(dbt_processes(zoo)[0]))
    assert zoo.run("ls") == 0
    assert "1 commands run already" in caplog.text
    slow.kill()
    thread.join(20)


def test_too_little_memory_starts_no_server(zoo: Zoo, caplog: pytest.LogCaptureFixture) -> None:
    zoo.limits = replace(zoo.limits, memory_reserve=1 << 50)
    assert zoo.run("ls") == 0
    assert "too few for a warm server" in caplog.text


def test_a_project_that_can_t_be_parsed_runs_plain(zoo: Zoo, caplog: pytest.LogCaptureFixture) -> None:
    (zoo.project / "models/extra/extra.yml").write_text("models: [this is: {not yaml")
    for _ in range(2):
        assert zoo.run("run", "--select", "int_alone") == 2
        assert any("Parsing Error" in line for line in zoo.said)
    assert caplog.text.count("its server did not start") == 2


@pytest.mark.parametrize("args", [["deps"], ["debug"], ["clean"], ["retry"], ["run", "--defer", "--state", "x"]])
def test_a_command_that_isn_t_for_it_runs_plain(zoo: Zoo, args: list[str], caplog: pytest.LogCaptureFixture) -> None:
    zoo.run(*args)
    assert "isn't for a warm dbt" in caplog.text
    assert not dbt_processes(zoo)


def test_many_requests_leave_nothing_behind(zoo: Zoo) -> None:
    def state() -> tuple[int, int, int]:
        process = psutil.Process(server)
        return process.memory_info().rss, process.num_fds(), len(process.children())

    def ask(times: int) -> None:
        for _ in range(times):
            assert zoo.start(request).run(str) == 2

    request = zoo.request("ls", "--no-such-option")  # the shortest way through a child
    ask(30)
    (server,) = servers_of(zoo)
    before = state()
    ask(int(os.environ.get("WARM_REQUESTS", "300")))
    wait_for(lambda: state()[2] == 0)
    after = state()
    assert after[1] == before[1]
    assert after[0] - before[0] < 1 << 20
    semaphores = [m for m in Path(f"/proc/{server}/maps").read_text().splitlines() if "sem.mp-" in m]
    assert all(m.endswith("(deleted)") for m in semaphores)  # nameless: none can be left behind
