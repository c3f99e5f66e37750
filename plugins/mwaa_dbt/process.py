"""One dbt command as a process: forked from a warm dbt where that can be, else started. Standard library only.

Both ways give the same lines, artifacts and exit status (warm/launcher.py runs dbt in both), can be killed, and end
when the task that asked for them ends. dbt's working directory is the project's; it writes to the request's directory
only.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from mwaa_dbt.lines import Lines
from mwaa_dbt.process_end import EndedError, end_of, pidfd, readable
from mwaa_dbt.request import DbtRequest
from mwaa_dbt.warm import client, hooks
from mwaa_dbt.warm.client import Limits
from mwaa_dbt.warm.identity import UnservedError

log = logging.getLogger(__name__)

LAUNCHER = Path(__file__).with_name("warm") / "launcher.py"


class DbtProcess(Protocol):
    """A dbt command that runs or will."""

    def run(self, on_line: Callable[[str], None]) -> int:
        """Run to the end, pass on each line as it comes; return the exit status, -n for a death by signal n."""

    def kill(self, grace: float = 10.0) -> None:
        """End it: as Ctrl-C, so that dbt cancels its queries; after ``grace`` seconds without mercy.

        May be called at any time, more than once, from another thread or a signal handler.
        """


def start(request: DbtRequest, *, warm: bool, limits: Limits | None = None) -> DbtProcess:
    """Return the process of a request, warm if asked for and possible. It starts with its ``run``.

    Which way it went, and why, is logged once. OSError is raised by ``run`` if the plain process can't be started.
    """
    return _Process(request, (limits or Limits()) if warm else None)


class _DiedError(Exception):
    """The warm child ended without an exit status though nobody asked for it."""


class _Process:
    def __init__(self, request: DbtRequest, limits: Limits | None) -> None:
        self._request = request
        self._limits = limits
        self._killed = 0  # the last signal of kill()
        self._pid = 0  # of dbt, leader of its session and group, while it runs
        self._ended: Callable[[float], bool] = lambda timeout: True  # waits for dbt's end, says whether it came
        self._link = -1  # what tells dbt that this process is gone (launcher.die_with), while dbt runs

    def run(self, on_line: Callable[[str], None]) -> int:
        self._request.target_path.mkdir(parents=True, exist_ok=True)
        why = "it is switched off"
        if self._limits is not None:
            try:
                return self._run_warm(on_line, self._limits)
            except UnservedError as e:
                why = str(e)
            except _DiedError:
                if self._request.args[0] == "run-operation" or self._request.env.get(hooks.WHICH) in hooks.ALONE:
                    log.error(
                        "dbt was killed in the middle of a macro or hook. It may not bear to run twice: not repeated."
                    )
                    return -signal.SIGKILL
                why = "that one was killed in the middle of the command, which starts over"
                (self._request.target_path / "run_results.json").unlink(missing_ok=True)
        if self._killed:
            return -self._killed
        log.info("dbt runs as a plain process, not from a warm one: %s.", why)
        return self._run_plain(on_line)

    def _run_warm(self, on_line: Callable[[str], None], limits: Limits) -> int:
        r = self._request
        env = r.environment()
        try:
            link = client.connect(r.venv, r.args, env, r.secrets, r.project_dir, limits, lambda: bool(self._killed))
        except (OSError, ValueError) as e:  # the folder of the sockets isn't one, a file in it is damaged
            raise UnservedError(f"it can't be reached: {e}") from e
        with link.socket, _end_of_child(link.greeting["hello"]) as ended, Lines(on_line) as lines:
            link.send({"args": r.arguments(), "env": env, "cwd": str(r.project_dir)}, lines.writing)
            lines.close_writing()
            if link.first:
                log.info("A warm dbt was started. It read %s.", link.greeting["read"])
            log.info("dbt is warm: forked from the process that holds the parsed project.")
            self._begin(link.greeting["hello"], link.socket.fileno(), lambda timeout: readable(ended, timeout))
            try:
                lines.relay_until(link.socket.fileno())
                end = link.message()
            finally:
                self._pid = 0
        if end is not None:
            return int(end["exit"])
        if self._killed:
            return -self._killed
        raise _DiedError

    def _run_plain(self, on_line: Callable[[str], None]) -> int:
        r = self._request
        with Lines(on_line) as lines:
            dbt = subprocess.Popen(
                [str(r.venv / "bin" / "python"), str(LAUNCHER), *r.arguments()],
                stdin=subprocess.PIPE,  # its end tells dbt that this process is gone
                stdout=lines.writing,
                stderr=subprocess.STDOUT,
                env=r.environment(),
                cwd=r.project_dir,
                start_new_session=True,
            )
            lines.close_writing()
            with dbt, end_of(dbt) as end:
                link = dbt.stdin.fileno() if dbt.stdin else -1
                self._begin(dbt.pid, link, lambda timeout: readable(end, timeout))
                try:
                    lines.relay_until(end)
                    return dbt.wait()
                finally:
                    self._pid = 0

    def _begin(self, pid: int, link: int, ended: Callable[[float], bool]) -> None:
        self._ended, self._link, self._pid = ended, link, pid
        if self._killed:  # while it was about to start
            self._send(signal.SIGKILL)

    def kill(self, grace: float = 10.0) -> None:
        if self._killed:  # a second Ctrl-C would keep dbt from cancelling its queries
            return
        self._killed = signal.SIGINT
        if self._pid:  # Airflow ends this process 5 s from now; that mustn't be a second Ctrl-C
            with suppress(OSError):
                os.write(self._link, b"k")
        for number, patience in ((signal.SIGINT, grace), (signal.SIGTERM, 2.0), (signal.SIGKILL, 2.0)):
            if not self._pid or not self._send(number) or self._ended(patience):
                return

    def _send(self, number: signal.Signals) -> bool:
        self._killed = number
        try:
            os.killpg(self._pid, number)
        except ProcessLookupError:
            return False
        return True


@contextmanager
def _end_of_child(pid: int) -> Iterator[int]:
    try:
        with pidfd(pid) as ended:
            yield ended
    except EndedError as e:
        raise UnservedError("its child died before it began") from e
