"""The local environment as end-to-end tests use it: beside the developer's, with a copy of the project to break."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mwaactl import environments
from mwaactl.local import follow, sink, warehouse
from mwaactl.local.api import Api
from mwaactl.local.layout import REPOSITORY, Layout
from mwaactl.release import runs

PRODUCT = (
    "dags",
    "dbt",
    "plugins",
    "infra",
    "startup.sh",
    "requirements.txt",
    "requirements-dbt.txt",
    ".sqlfluff",
)
# Named by MWAACTL_TEST_ENVIRONMENT, so that two test runs of one repository can each have their own; a developer who
# sets MWAACTL_TEST_KEEP=1 finds it running at the end, and the next test run begins with it as it is.
NAME = os.environ.get("MWAACTL_TEST_ENVIRONMENT", "test")
ROOT = REPOSITORY / ".local" / f"{NAME}-environment"
SOURCE = REPOSITORY / ".local" / f"{NAME}-source"
KEEP = os.environ.get("MWAACTL_TEST_KEEP") == "1"


@dataclass
class LocalEnvironment:
    """A running environment. Change files below `source`, then call `up()` to release them."""

    layout: Layout
    api: Api

    @classmethod
    def boot(cls) -> "LocalEnvironment":
        """Start afresh: what an earlier test run left is stopped and removed, except for the dbt virtualenv."""
        layout = Layout.of(ROOT, SOURCE)
        if not KEEP:
            mwaactl("down", layout)
            home = layout.airflow_home
            for left in (home / "logs", layout.logs, layout.messages_file, home / "airflow.db"):
                if left.is_dir():
                    shutil.rmtree(left)
                else:
                    left.unlink(missing_ok=True)
        for file in layout.warehouse.glob("*.duckdb*"):
            file.unlink()
        shutil.rmtree(SOURCE, ignore_errors=True)
        SOURCE.mkdir(parents=True)
        for name in PRODUCT:
            copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy2
            copy(REPOSITORY / name, SOURCE / name)
        environment = cls(layout, Api("http://127.0.0.1:0"))
        environment.up()
        return environment

    @property
    def source(self) -> Path:
        """The copy of the project that this environment runs."""
        return self.layout.source

    def up(self) -> None:
        """Release the project at `source`: boot, or take over changes. Fails the test when that fails."""
        done = mwaactl("up", self.layout)
        assert done.returncode == 0, f"mwaactl local up failed:\n{done.stderr}"
        self.api = Api.of(self.layout)

    def down(self) -> None:
        """Stop it, unless the developer wants to go on with it."""
        if not KEEP:
            mwaactl("down", self.layout)

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `mwaactl local ARGUMENTS` on this environment."""
        return mwaactl(arguments[0], self.layout, *arguments[1:])

    def airflow(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `mwaactl airflow -e local ARGUMENTS` on this environment."""
        return self.mwaactl("airflow", "--", *arguments)

    def mwaactl(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `mwaactl COMMAND -e local ARGUMENTS` on this environment."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "AWS_"))}
        line = [sys.executable, "-m", "mwaactl", command, "-e", "local", "--source", str(self.source)]
        env = {**clean, "MWAACTL_LOCAL_DIR": str(self.layout.root)}
        return subprocess.run([*line, *arguments], capture_output=True, text=True, env=env, stdin=subprocess.DEVNULL)

    def start(self, dag_id: str, conf: dict[str, Any] | None = None, day: str | None = None) -> str:
        """Start a run, of the data interval `day` if given, and return its id."""
        from mwaactl.local.demo import day_interval

        interval = day_interval(day) if day else None
        return runs.trigger(self.described(), dag_id, conf or {}, unpause=True, interval=interval)

    def described(self) -> environments.Environment:
        """Return it as mwaactl's other commands see it."""
        return environments.read(environments.LOCAL, self.source, self.layout)

    def run(self, dag_id: str, conf: dict[str, Any] | None = None, day: str | None = None) -> follow.Run:
        """Start a run and wait for its end."""
        return follow.follow(self.api, dag_id, self.start(dag_id, conf, day), limit=600)

    def log(self, run: follow.Run, task_id: str, try_number: int = 1) -> str:
        """Return the text of a task's log file."""
        path = (
            self.layout.airflow_home / "logs" / f"dag_id={run.dag_id}" / f"run_id={run.run_id}" / f"task_id={task_id}"
        )
        return (path / f"attempt={try_number}.log").read_text()

    def messages(self) -> list[dict[str, Any]]:
        """Return what Slack and the mail server received so far, oldest first."""
        return sink.read_messages(self.layout.messages_file)

    def query(self, sql: str, database: str = "flights_dev") -> list[tuple[Any, ...]]:
        """Return the rows of a query on the warehouse, opened read-only."""
        return warehouse.query(self.layout.warehouse / f"{database}.duckdb", sql)[1]

    def client(self, service: str) -> Any:
        """Return a boto3 client ("s3", "secretsmanager", "mwaa") for this environment's AWS."""
        return self.described().client(service)


def mwaactl(command: str, layout: Layout, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `mwaactl local COMMAND` as a person would, on the environment of `layout`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "AWS_", "MWAACTL_"))}
    line = [
        sys.executable,
        "-m",
        "mwaactl",
        "local",
        command,
        "--dir",
        str(layout.root),
        "--source",
        str(layout.source),
    ]
    return subprocess.run([*line, *arguments], capture_output=True, text=True, env=clean, stdin=subprocess.DEVNULL)


def as_json(done: subprocess.CompletedProcess[str]) -> Any:
    """Return what a command with `--format json` printed."""
    return json.loads(done.stdout)
