"""Doing what UpdateEnvironment asks for: building the environment anew, and going back when that fails."""

import logging
from collections.abc import Mapping
from typing import Any

from mwaactl.errors import Problem
from mwaactl.local import environment
from mwaactl.local.airflow import Airflow
from mwaactl.local.journal import Journal
from mwaactl.local.layout import Layout
from mwaactl.local.mwaa.record import EnvironmentRecord
from mwaactl.local.sync import DagSync

log = logging.getLogger("mwaactl.local")
_FILES = {"Plugins": "plugins.zip", "Requirements": "requirements.txt", "StartupScript": "startup.sh"}


class Updates:
    """Builds releases into the one environment. For the main thread alone: Airflow's processes hang on it."""

    def __init__(
        self,
        layout: Layout,
        journal: Journal,
        record: EnvironmentRecord,
        airflow: Airflow,
        sync: DagSync,
        s3: Any,
        ports: dict[str, int],
    ) -> None:
        self._layout = layout
        self._journal = journal
        self._record = record
        self._airflow = airflow
        self._sync = sync
        self._s3 = s3
        self._ports = ports
        self._former: environment.Release | None = None
        self._touched = False  # the update has begun to replace what runs
        #: The variables of Airflow's webserver as it runs now, for the CLI endpoint; empty when it doesn't.
        self.webserver: dict[str, str] = {}

    def carry_out(self, wanted: Mapping[str, Any]) -> None:
        """Build the environment that the settings `wanted` describe; build the former one again when that fails.

        The outcome is told by the record (to the API) and by the journal (to people). Nothing is raised for a release
        that can't be built.
        """
        steps = [] if self._former else self._journal.content["steps"]  # of the boot that the first update ends
        self._journal.set(phase="updating", steps=steps, error=None, notes=self._changes(wanted))
        self._touched = False
        try:
            with self._journal.step("download"):
                release = environment.download(self._s3, wanted)
            self._build(release, str(wanted["DagS3Path"]))
        except Exception as error:
            self._go_back(_as_problem(error, self._layout))
        else:
            self._former = release
            self._record.succeed()
            self._journal.set(phase="ready", round=self._journal.content["round"] + 1)

    def _changes(self, wanted: Mapping[str, Any]) -> list[str]:
        """Return what `up` tells about a change of a running environment."""
        if not self._former:
            return []
        now = self._record.describe()
        changed = [name for part, name in _FILES.items() if wanted.get(key := f"{part}S3ObjectVersion") != now.get(key)]
        if wanted["AirflowConfigurationOptions"] != now["AirflowConfigurationOptions"]:
            changed.append("the configuration options")
        what = f"Changed: {', '.join(changed)}. " if changed else ""
        return [f"{what}MWAA replaces its containers for an update; Airflow was restarted."]

    def _build(self, release: environment.Release, dags_path: str) -> None:
        layout, step, task = self._layout, self._journal.step, self._journal.task
        with step("packages"):
            venv, problem = environment.build(release, layout, task)
        if problem:
            log.error("%s", problem.message)
            self._journal.note(f"{problem.what}\n  -> As MWAA does, Airflow starts without any of these packages.")
        self._touched, self.webserver = True, {}
        if self._airflow.running:
            with step("stop airflow"):
                self._airflow.stop()
        with step("files"):
            environment.place(release, layout)
            self._sync.prefix = f"{dags_path.strip('/')}/"
            self._sync.once()
        with step("startup.sh"):
            made = environment.component_environments(release, layout, venv, self._ports, task)
        with step("database"):
            environment.migrate(layout, venv, made["scheduler"], task)
        self._airflow.start(made)
        self.webserver = made["api-server"]

    def _go_back(self, problem: Problem) -> None:
        log.error("the update failed: %s", problem.message)
        error = {"what": problem.what, "next": problem.next_step}
        usable, phase = True, "ready" if self._former else "empty"
        if self._former is None:
            self._airflow.stop()
        elif self._touched:
            try:
                with self._journal.step("roll back"):
                    self._record.roll_back()
                    self._airflow.stop()
                self._build(self._former, str(self._record.describe()["DagS3Path"]))
            except Exception as second:
                usable, phase = False, "failed"
                error["what"] += f"\nGoing back failed, too: {_as_problem(second, self._layout).what}"
        self._record.fail(problem.what, usable)
        self._journal.set(phase=phase, error=error, round=self._journal.content["round"] + 1)


def _as_problem(error: Exception, layout: Layout) -> Problem:
    if isinstance(error, Problem):
        return error
    log.error("unexpected", exc_info=error)
    return Problem(f"{type(error).__name__}: {error}", f"Read {layout.logs / 'supervisor.log'} and report it.")
