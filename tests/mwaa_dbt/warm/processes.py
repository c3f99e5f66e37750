"""The processes of the warm dbt, looked at from outside."""

from __future__ import annotations

import threading
import time

import psutil

from tests.mwaa_dbt.warm.conftest import Zoo, processes_of, wait_for

#: Commands that run until they are ended.
SLOW = ["run-operation", "slow"]
SLOW_MODEL = ["run", "--select", "fct_slow", "--vars", "{rows: 10000000}"]


def servers_of(zoo: Zoo) -> list[int]:
    """Return the servers of this zoo, listening or about to."""
    alive = processes_of(zoo)
    return [pid for pid in alive if psutil.Process(pid).ppid() not in alive]


def children(pid: int) -> list[psutil.Process]:
    return [c for c in psutil.Process(pid).children() if c.status() != psutil.STATUS_ZOMBIE]


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
