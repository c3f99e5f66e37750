"""The life of a warm server: started once, bounded, ended by idleness, and not for everything."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace

import psutil
import pytest
from mwaa_dbt.process import Limits
from mwaa_dbt.warm import client, leftovers

from tests.mwaa_dbt.warm.conftest import Zoo, folder, processes_of, servers, wait_for
from tests.mwaa_dbt.warm.processes import SLOW, children, servers_of


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
    there = {child.pid for child in psutil.Process().children(recursive=True)}
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
    assert len([c for pid, c in seen.items() if c and pid not in there]) == 1
    assert psutil.Process(server).ppid() != os.getpid()  # it outlives the task that started it


def test_a_server_ends_when_nobody_asks(zoo: Zoo) -> None:
    zoo.limits = Limits(idle=1)
    assert zoo.run("ls") == 0
    wait_for(lambda: not processes_of(zoo))


def test_children_are_bounded_and_the_rest_runs_plain(zoo: Zoo, caplog: pytest.LogCaptureFixture) -> None:
    zoo.limits = Limits(idle=60, max_children=1, busy=0.5)
    assert zoo.run("ls") == 0
    slow = zoo.start(zoo.request(*SLOW))
    thread = threading.Thread(target=lambda: slow.run(str))
    thread.start()
    wait_for(lambda: children(processes_of(zoo)[0]))
    assert zoo.run("ls") == 0
    assert "1 commands run already" in caplog.text
    slow.kill()
    thread.join(120)


def test_too_little_memory_starts_no_server(zoo: Zoo, caplog: pytest.LogCaptureFixture) -> None:
    zoo.limits = replace(zoo.limits, memory_reserve=1 << 50)
    assert zoo.run("ls") == 0
    assert "too few for a warm server" in caplog.text


def test_where_there_are_servers_enough_the_one_unused_for_longest_makes_room(
    zoo: Zoo, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = set(servers())
    monkeypatch.setattr(client, "MAX_SERVERS", len(others) + 1)
    assert zoo.run("ls") == 0
    (first,) = set(servers()) - others
    assert zoo.run("ls", "--vars", "{day: 1}") == 0
    assert "warm servers are in use" in caplog.text
    (socket,) = (path for path in folder().glob("*.sock") if path.stat().st_mtime > time.time() - 120)
    os.utime(socket, (1, 1))
    leftovers.remove(folder())  # looks whether somebody listens, which is no use of the server
    caplog.clear()
    assert zoo.run("ls", "--vars", "{day: 1}") == 0
    assert "dbt is warm" in caplog.text
    wait_for(lambda: not psutil.pid_exists(first))


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
    assert not processes_of(zoo)
