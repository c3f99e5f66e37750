"""Unit and end-to-end tests at once: both are waited for, both are seen, both count."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mwaactl.local.layout import REPOSITORY

#: As on a terminal, even if these tests run where SIGINT is ignored (a script's `make test &`).
BOTH = """
import signal, sys
from pathlib import Path
from tests.__main__ import run
signal.signal(signal.SIGINT, signal.default_int_handler)
*commands, log = sys.argv[1:]
sys.exit(run([sys.executable, "-c", commands[0]], [sys.executable, "-c", commands[1]], Path(log)))
"""
MARK = "import os, time; from pathlib import Path; Path({mark!r}).write_text(str(os.getpid()));"


def both(tmp_path: Path, unit: str, end_to_end: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-c", BOTH, unit, end_to_end, str(tmp_path / "unit.log")]
    return subprocess.Popen(line, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, start_new_session=True)


@pytest.mark.parametrize(("unit", "end_to_end", "status"), [(0, 0, 0), (1, 0, 1), (0, 1, 1), (2, 1, 1)])
def test_both_count(tmp_path: Path, unit: int, end_to_end: int, status: int) -> None:
    running = both(tmp_path, f"print('units'); exit({unit})", f"print('ends', flush=True); exit({end_to_end})")
    output, _ = running.communicate()
    assert output.splitlines() == ["ends", "units"]
    assert running.returncode == status


def test_they_run_at_once(tmp_path: Path) -> None:
    marks = [str(tmp_path / "unit"), str(tmp_path / "ends")]
    each_waits = MARK + "\nwhile not Path({other!r}).exists(): time.sleep(0.01)"
    unit, ends = (each_waits.format(mark=mine, other=other) for mine, other in (marks, reversed(marks)))
    assert both(tmp_path, unit, ends).wait(60) == 0


def test_an_interrupt_reaches_both(tmp_path: Path) -> None:
    marks = [tmp_path / "unit", tmp_path / "ends"]
    endless = [(MARK + "time.sleep(600)").format(mark=str(mark)) for mark in marks]
    running = both(tmp_path, *endless)
    while not all(mark.exists() and mark.read_text() for mark in marks):
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGINT)
    assert running.wait(60) == 130, "no traceback of ours"
    for mark in marks:
        assert not Path("/proc", mark.read_text()).exists()
