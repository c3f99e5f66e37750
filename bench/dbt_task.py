"""One dbt command without Airflow: where its time goes, and how much memory each concurrent one takes."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from mwaa_dbt.process import DbtRequest, start

#: A line of dbt's output that ends a phase: until the first one dbt starts, until the second one it reads the project.
STARTED, READ, DONE = "Running with dbt=", "Found ", "Done."
FINISHED = "Finished running"
WAYS = {
    "warm": "this project: forked from a warm dbt",
    "plain": "this project with warm dbt switched off",
    "dbt": "the dbt executable, as stock Cosmos starts it",
}


class DbtFailed(Exception):
    """A dbt command of the benchmark failed; the text holds its last lines."""


def request(venv: Path, project: Path, profiles: Path, model: str, work: Path) -> DbtRequest:
    """Return the command of a model's task, as the operator would ask for it."""
    args = ["run", "--select", model, "--project-dir", str(project), "--profiles-dir", str(profiles)]
    args += ["--profile", project.name, "--target", "dev"]
    env = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "LANG": "C.UTF-8", "TMPDIR": str(work.parent)}
    return DbtRequest(venv, args, env, frozenset(), project, work / "target")


def timed(wanted: DbtRequest, way: str, parsed: Path | None = None) -> dict[str, Any]:
    """Run the command once, one of WAYS; return its phases in seconds, from the request to the exit status.

    `parsed` is the partial parse that the dbt executable finds, as it finds the one that stock Cosmos keeps.

    Raises DbtFailed if it fails, or if a warm dbt was wanted and did not serve.
    """
    marks: dict[str, float] = {}
    lines: list[str] = []

    def on_line(line: str) -> None:
        now = time.perf_counter()
        lines.append(line)
        for mark in (STARTED, READ, DONE):
            if mark in line:
                marks.setdefault(mark, now)

    began = time.perf_counter()
    run = partial(_executable, wanted, parsed) if way == "dbt" else start(wanted, warm=way == "warm").run
    status = run(on_line)
    ended = time.perf_counter()
    if status or len(marks) < 3:
        raise DbtFailed(f"dbt ({way}) ended with status {status}: " + " | ".join(lines[-5:]))
    return {
        "way": way,
        "seconds": round(ended - began, 4),
        "start": round(marks[STARTED] - began, 4),
        "read": round(marks[READ] - marks[STARTED], 4),
        "work": round(marks[DONE] - marks[READ], 4),
        "end": round(ended - marks[DONE], 4),
    }


def _executable(wanted: DbtRequest, parsed: Path | None, on_line: Callable[[str], None]) -> int:
    env = {**wanted.env, "DO_NOT_TRACK": "1", "DBT_USE_COLORS": "false"}
    wanted.target_path.mkdir(parents=True, exist_ok=True)
    if parsed is not None:
        shutil.copy2(parsed, wanted.target_path / "partial_parse.msgpack")
    command = [str(wanted.venv / "bin" / "dbt"), *wanted.arguments()]
    with subprocess.Popen(
        command, env=env, cwd=wanted.project_dir, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            on_line(line.rstrip())
    return process.returncode


@contextmanager
def workspace() -> Iterator[Path]:
    """Give a directory for dbt's output that ends with the block, and the warm servers that were started in it."""
    # The warm server's sockets lie in the temporary directory: one of our own leaves other people's servers alone.
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        before = tempfile.tempdir
        tempfile.tempdir = folder
        try:
            yield Path(folder)
        finally:
            tempfile.tempdir = before
            for server in servers():
                server.kill()
                with contextlib.suppress(psutil.Error):
                    server.wait(5)


def servers() -> list[psutil.Process]:
    """Return the warm dbt servers and children that were started from a `workspace` of this process."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        with contextlib.suppress(psutil.Error):
            if "warm/server.py" in " ".join(process.info["cmdline"] or ()) and process.environ().get(
                "TMPDIR", ""
            ).startswith(tempfile.tempdir or "?"):
                found.append(process)
    return found


def memory(wanted: DbtRequest, way: str, concurrent: int) -> dict[str, Any]:
    """Run `concurrent` commands at once, halt each when its node is finished; return their proportional memory in MB.

    Raises DbtFailed if one fails.
    """
    halted: dict[int, int] = {}
    statuses: list[int] = []
    all_halted = threading.Barrier(concurrent + 1, timeout=600)

    def one(number: int) -> None:
        mine = replace(wanted, target_path=wanted.target_path.with_name(f"target{number}"))
        process: Any = start(mine, warm=way == "warm")

        def on_line(line: str) -> None:
            if FINISHED in line and number not in halted:
                halted[number] = process._pid
                os.kill(process._pid, signal.SIGSTOP)
                all_halted.wait()  # all of them hold their memory now
                all_halted.wait()  # it has been measured
                os.kill(process._pid, signal.SIGCONT)

        try:
            statuses.append(process.run(on_line))
        except BaseException:
            all_halted.abort()
            raise

    threads = [threading.Thread(target=one, args=(number,), daemon=True) for number in range(concurrent)]
    for thread in threads:
        thread.start()
    try:
        all_halted.wait()
        parents = [p for p in servers() if p.pid not in halted.values()] if way == "warm" else []
        found = {
            "server_mb": round(sum(pss(process.pid) for process in parents), 1),
            "tasks_mb": round(sum(pss(pid) for pid in halted.values()), 1),
        }
        all_halted.wait()
    except threading.BrokenBarrierError as error:
        raise DbtFailed(f"one of {concurrent} concurrent dbt commands ({way}) ended early") from error
    for thread in threads:
        thread.join()
    if any(statuses):
        raise DbtFailed(f"concurrent dbt commands ({way}) ended with status {statuses}")
    return {"way": way, "concurrent": concurrent, **found, "total_mb": round(sum(found.values()), 1)}


def pss(pid: int) -> float:
    """Return the proportional set size of a process in MB: what is shared is divided among those who share it."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0
