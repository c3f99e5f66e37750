"""The process that is the local environment: it holds the services, boots Airflow from the bucket and watches over it.

Started by `mwaactl local up`; SIGHUP makes it take over changes of the project, SIGTERM ends it and all its children.
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
from typing import Any, NoReturn

import psutil

from mwaactl.errors import Problem
from mwaactl.local import aws, bucket, components, environment, health, ports, secrets, sink
from mwaactl.local.airflow import Airflow
from mwaactl.local.api import Api
from mwaactl.local.journal import Journal
from mwaactl.local.layout import Layout
from mwaactl.local.sync import DagSync

log = logging.getLogger("mwaactl.local")
SYNC_INTERVAL = 2.0


class Stop(BaseException):
    """Raised in the main thread by SIGTERM and SIGINT."""


class Supervisor:
    """One local environment, from its first port to its last process."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.journal = Journal(layout)
        self.update_wanted = False
        self.stop_sync = threading.Event()
        self.ports: dict[str, int] = {}
        self.s3: Any = None
        self.airflow: Airflow
        self.sync: DagSync
        self.release: environment.Release

    def run(self) -> int:
        """Boot, then watch until told to stop. Return the exit status."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGHUP, self._update)
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: orphans of our children become our children
        self.journal.set()
        try:
            self._guarded(self.boot)
            if self.journal.content["phase"] == "failed":
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

    def _update(self, number: int, frame: FrameType | None) -> None:
        self.update_wanted = True

    def _guarded(self, work: Any) -> None:
        """Do a boot or an update; whatever goes wrong becomes the state's error."""
        try:
            work()
        except Problem as problem:
            log.error("%s", problem.message)
            error = {"what": problem.what, "next": problem.next_step}
        except Exception as problem:
            log.exception("unexpected")
            where = self.layout.logs / "supervisor.log"
            error = {"what": f"{type(problem).__name__}: {problem}", "next": f"Read {where} and report it."}
        else:
            self.journal.set(phase="ready", error=None, round=self.journal.content["round"] + 1)
            return
        self.journal.set(phase="failed", error=error, round=self.journal.content["round"] + 1)

    def boot(self) -> None:
        """Start the services, fill the bucket, build the environment from it, start Airflow."""
        step, layout = self.journal.step, self.layout
        with step("services"):
            self._start_services()
        self._build_manifests()
        with step("bucket"):
            wanted = bucket.contents(layout.source)
            changes = bucket.upload(self.s3, wanted, self.journal.task)
            self._upload_demo_data()
            log.info("bucket: %d objects written", len(changes.written))
        with step("environment"):
            self.release = environment.download(self.s3, layout)
            environment.place(self.release, layout)
            venv = environment.build(layout, self.journal.task)
            self.sync = DagSync(self.s3, layout.dags)
            self.sync.once()
        with step("startup.sh"):
            made = environment.component_environments(layout, venv, self.ports, self.journal.task)
        with step("database"):
            environment.migrate(layout, venv, made["scheduler"], self.journal.task)
        self.airflow.start(made)
        threading.Thread(target=self.sync.run, args=(SYNC_INTERVAL, self.stop_sync), name="sync", daemon=True).start()

    def _start_services(self) -> None:
        self.ports = ports.choose(self.layout)
        self.journal.task("moto (S3, Secrets Manager)")
        aws.start(self.ports["aws"])
        self.journal.task("Slack and mail")
        sink.start(self.layout.messages_file, self.ports["slack"], self.ports["mail"])
        urls = {
            "ui": f"http://127.0.0.1:{self.ports['ui']}",
            "aws": f"http://127.0.0.1:{self.ports['aws']}",
            "slack": f"http://127.0.0.1:{self.ports['slack']}",
            "mail": f"smtp://127.0.0.1:{self.ports['mail']}",
        }
        self.journal.set(ports=self.ports, urls=urls)
        self.s3 = aws.client("s3", self.ports["aws"])
        self.airflow = Airflow(self.layout, self.journal, Api(urls["ui"]))
        bucket.create(self.s3)
        self._store_secrets()

    def _store_secrets(self) -> None:
        values = secrets.connections(self.layout, self.ports)
        secrets.store(aws.client("secretsmanager", self.ports["aws"]), values)

    def _build_manifests(self) -> None:
        """Do what CI does before a release: parse each dbt project that has changed."""
        from mwaactl import manifest

        with self.journal.step("manifest"):
            for project in secrets.projects(self.layout.source):
                manifest.build(project, self.journal.task, root=self.layout.source / "dbt")

    def _upload_demo_data(self) -> None:
        from mwaactl.landing import write_landing

        self.journal.task("demo data")
        raw = self.layout.venvs.parent / "raw"
        write_landing(raw)
        aws.fill("raw/", raw)

    def update(self) -> None:
        """Take over what changed in the project since the last boot or update, as a release on MWAA would."""
        self.journal.set(phase="updating", steps=[], notes=[], error=None)
        began = time.time()
        self._build_manifests()
        with self.journal.step("bucket"):
            wanted = bucket.contents(self.layout.source)
            changes = bucket.upload(self.s3, wanted, self.journal.task)
            self._store_secrets()
        before, self.release = self.release, environment.download(self.s3, self.layout)
        replaced = self.release.differs_in(before)
        if not replaced and not self.airflow.environments:
            replaced = ["an update that failed"]
        if replaced:
            self.journal.note(
                f"Changed: {', '.join(replaced)}. MWAA replaces its containers for that; Airflow was restarted."
            )
            self._replace()
        elif changes:
            self.journal.note(f"dags/: {len(changes.written)} files written, {len(changes.removed)} removed.")
            with self.journal.step("sync"):
                self.sync.once()
                health.reparse(self.airflow.api)
            self.airflow.await_dags(began)

    def _replace(self) -> None:
        with self.journal.step("stop airflow"):
            self.airflow.stop()
        self.airflow.environments = {}
        with self.journal.step("environment"):
            environment.place(self.release, self.layout)
            venv = environment.build(self.layout, self.journal.task)
            self.sync.once()
        with self.journal.step("startup.sh"):
            made = environment.component_environments(self.layout, venv, self.ports, self.journal.task)
        with self.journal.step("database"):
            environment.migrate(self.layout, venv, made["scheduler"], self.journal.task)
        self.airflow.start(made)

    def watch(self) -> None:
        """Do an update that was asked for, restart what died, reap orphans."""
        if self.update_wanted:
            self.update_wanted = False
            self._guarded(self.update)
        self.airflow.revive()
        own = self.airflow.pids()
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
