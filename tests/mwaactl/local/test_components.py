"""What an environment started is ended, whoever its parent is by then."""

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import psutil

from mwaactl.local import components

# A child starts a process in a session of its own and ends, as a killed scheduler leaves its workers and their tasks.
ORPHAN = """
from subprocess import DEVNULL, Popen
print(Popen(["sleep", "300"], start_new_session=True, stdout=DEVNULL, stderr=DEVNULL).pid)
"""
SUBREAPER = f"""
import ctypes, subprocess, sys
from mwaactl.local import components
ctypes.CDLL(None).prctl(36, 1)
made = subprocess.run([sys.executable, "-c", {ORPHAN!r}], capture_output=True, text=True, check=True)
assert int(made.stdout) in components.end_descendants(), "the orphan came to its subreaper"
print(made.stdout)
"""


def test_orphans_below_the_supervisor_are_ended() -> None:
    done = subprocess.run([sys.executable, "-c", SUBREAPER], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not psutil.pid_exists(int(done.stdout))


def test_a_process_is_found_by_the_session_it_was_started_in() -> None:
    """An ordinary user can't look into Airflow's workers; their session is what remains."""
    leader = subprocess.Popen(
        ["sh", "-c", "sleep 300 & echo $!; exec sleep 301"], start_new_session=True, stdout=subprocess.PIPE, text=True
    )
    assert leader.stdout
    worker = int(leader.stdout.readline())
    try:
        leader.kill()
        leader.wait()
        assert [process.pid for process in components.in_sessions([leader.pid])] == [worker]
        found = components.leftovers(Path("/nowhere"), sessions=[leader.pid])
        assert [process.pid for process in found] == [worker]
        components.end(found, grace=2)
        time.sleep(0.1)
        assert not psutil.pid_exists(worker) or psutil.Process(worker).status() == psutil.STATUS_ZOMBIE
    finally:
        if psutil.pid_exists(worker):
            os.kill(worker, 9)


def test_what_stands_in_the_environment_is_found_unless_it_has_a_terminal(tmp_path: Path) -> None:
    """A person's shell or pager in the environment's folder isn't ended with it."""
    ours = subprocess.Popen(["sleep", "300"], cwd=tmp_path, start_new_session=True)
    persons, terminal = pty.fork()
    if not persons:
        os.chdir(tmp_path)
        os.execvp("sleep", ["sleep", "300"])
    try:
        time.sleep(0.3)
        assert psutil.Process(persons).cwd() == str(tmp_path)
        assert [process.pid for process in components.leftovers(tmp_path)] == [ours.pid]
    finally:
        ours.kill()
        ours.wait()
        os.kill(persons, 9)
        os.waitpid(persons, 0)
        os.close(terminal)


def test_a_port_is_ours_only_if_one_of_our_processes_listens_there() -> None:
    """Another environment may have taken it in between; its Airflow answers just as ours would."""
    listening = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True)"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {listening + '; time.sleep(300)'!r}])"
    ours = subprocess.Popen([sys.executable, "-c", child], start_new_session=True, stdout=subprocess.PIPE, text=True)
    other = subprocess.Popen(["sleep", "300"])
    assert ours.stdout
    try:
        port = int(ours.stdout.readline())
        assert components.listens(ours.pid, port)
        assert not components.listens(ours.pid, port + 1)
        assert not components.listens(other.pid, port)
    finally:
        other.kill()
        other.wait()
        os.killpg(ours.pid, 9)
        ours.wait()
    assert not components.listens(ours.pid, port)
