"""The process that is the local environment: it holds the services, builds what MWAA's API is asked to, and watches.

Started by `mwaactl local up`. It begins without a release: Airflow starts with the first UpdateEnvironment. SIGTERM
ends it and all its children.
"""

import contextlib
import ctypes
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

import psutil

from mwaactl.errors import Problem
from mwaactl.local import components, health, ports, services
from mwaactl.local.airflow import Airflow
from mwaactl.local.api import Api
from mwaactl.local.journal import Journal
from mwaactl.local.layout import Layout
from mwaactl.local.mwaa.cli import Runner
from mwaactl.local.mwaa.record import EnvironmentRecord
from mwaactl.local.sync import DagSync
from mwaactl.local.updates import Updates
from mwaactl.release.applying import LOCAL_SYNC_SECONDS

log = logging.getLogger("mwaactl.local")
SYNC_INTERVAL = 2.0
REPARSE_DELAY = 2.0  # seconds after an update; its caller must have seen the end of it


class Stop(BaseException):
    """Raised in the main thread by SIGTERM and SIGINT."""


class Supervisor:
    """One local environment, from its first port to its last process."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.journal = Journal(layout)
        self.stop_sync = threading.Event()
        self.sync_thread: threading.Thread | None = None
        self.commands = Runner()
        self.airflow: Airflow
        self.sync: DagSync
        self.record: EnvironmentRecord
        self.updates: Updates

    def run(self) -> int:
        """Boot, then watch until told to stop. Return the exit status."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: orphans of our children become our children
        self.journal.set()
        try:
            if not self._booted():
                return 1
            while True:
                self.watch()
                time.sleep(0.25)
        except Stop:
            return 0
        finally:
            self.shut_down()

    def _stop(self, number: int, frame: FrameType | None) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise Stop

    def _booted(self) -> bool:
        """Boot; whatever goes wrong becomes the state's error."""
        try:
            self.boot()
        except Problem as problem:
            log.error("%s", problem.message)
            self.journal.set(phase="failed", error={"what": problem.what, "next": problem.next_step})
        except Exception as problem:
            log.exception("unexpected")
            where = self.layout.logs / "supervisor.log"
            error = {"what": f"{type(problem).__name__}: {problem}", "next": f"Read {where} and report it."}
            self.journal.set(phase="failed", error=error)
        else:
            self.journal.set(phase="empty")
            return True
        return False

    def boot(self) -> None:
        """Start the services; there is an environment then, without a release."""
        with self.journal.step("services"):
            chosen = ports.choose(self.layout)
            s3 = services.start_stand_ins(self.layout, chosen, self.journal.task)
            urls = services.urls(chosen)
            self.airflow = Airflow(self.layout, self.journal, Api(urls["ui"]))
            self.sync = DagSync(s3, self.layout.dags, self._changed)
            self.record = services.new_record(chosen)
            self.updates = Updates(self.layout, self.journal, self.record, self.airflow, self.sync, s3, chosen)
            services.upload_demo_data(self.layout, self.journal.task)
            services.start_mwaa(self.layout, chosen, self.record, s3, self.commands, lambda: self.updates.webserver)
            self.journal.set(ports=chosen, urls=urls)

    def _changed(self) -> None:
        """Have changes of dags/ parsed at once, and again when a release takes a parse for its proof."""
        self._reparse()
        self._reparse_in(LOCAL_SYNC_SECONDS + 0.5)

    def _reparse_in(self, seconds: float) -> None:
        soon = threading.Timer(seconds, self._reparse)
        soon.daemon = True
        soon.start()

    def _reparse(self) -> None:
        """Have all DAG files parsed: Airflow itself doesn't look for changes of a manifest."""
        if self.airflow.running:
            with contextlib.suppress(Problem):
                health.reparse(self.airflow.api)

    def watch(self) -> None:
        """Do an update that was asked for, restart what died, reap orphans."""
        if wanted := self.record.take():
            self.updates.carry_out(wanted)
            # A release is proven by what was parsed after it, which would be a minute later otherwise.
            self._reparse_in(REPARSE_DELAY)
            if not self.sync_thread and self.airflow.running:
                arguments = (SYNC_INTERVAL, self.stop_sync)
                self.sync_thread = threading.Thread(target=self.sync.run, args=arguments, name="sync", daemon=True)
                self.sync_thread.start()
        self.airflow.revive()
        own = self.airflow.pids() | self.commands.pids
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.Error, ChildProcessError):
                if child.pid not in own and child.status() == psutil.STATUS_ZOMBIE:
                    os.waitpid(child.pid, os.WNOHANG)

    def shut_down(self) -> None:
        """End everything; the state says why there is nothing any more."""
        failed = self.journal.content["phase"] == "failed"
        self.journal.set(phase="failed" if failed else "stopping")
        self.stop_sync.set()
        if hasattr(self, "airflow"):  # else it ended before there was one
            self.airflow.stop()
        self.journal.set(phase="failed" if failed else "stopped", components={})


def main() -> int:
    """Run the environment whose directory and source are the two arguments."""
    layout = Layout.of(Path(sys.argv[1]), Path(sys.argv[2]))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    logging.getLogger("botocore").setLevel(logging.WARNING)
    os.environ[components.OWNER] = str(layout.root)
    return Supervisor(layout).run()


if __name__ == "__main__":
    sys.exit(main())
