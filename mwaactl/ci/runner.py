"""dbt on one project for one check: several commands in one process, each with the same profile, target and folders."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mwaactl.ci.profile import Profile
from mwaactl.errors import Problem

_DRIVER = Path(__file__).with_name("driver.py")
_CLEANUP = Path(__file__).with_name("cleanup")
#: What generate_schema_name of the project goes by (docs/slim-ci.md).
SCHEMA_VARIABLE = "MWAACTL_CI_SCHEMA"
_PATIENCE = 20.0  # seconds that dbt gets to cancel its queries

Told = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """How a dbt command ended. `listed`: what `dbt ls` answered; `results`: run_results.json's, if it wrote one."""

    command: str
    success: bool
    error: str | None
    listed: list[str]
    results: list[dict[str, Any]]
    lines: list[str]
    warnings: list[str] = field(default_factory=list)

    @property
    def failed(self) -> list[dict[str, Any]]:
        """The results of nodes that failed; nodes that were skipped because of them aren't among them."""
        return [one for one in self.results if one["status"] in ("error", "fail", "runtime error")]

    def text(self) -> str:
        """Return what dbt said about its failure: the nodes' messages, else its exception, else its last lines."""
        messages = [f"{one['unique_id']}: {(one['message'] or one['status']).strip()}" for one in self.failed]
        return "\n".join(messages) or (self.error or "").strip() or "\n".join(self.lines[-15:])


@dataclass
class Dbt:
    """The project in `project_dir` with the dbt of `venv`; `folder` takes its artifacts and its log.

    `schema` is the pull request's; None leaves nodes where the target has them.
    """

    venv: Path
    project_dir: Path
    profile: Profile
    folder: Path
    schema: str | None = None
    told: Told = lambda _: None
    _process: subprocess.Popen[str] | None = field(default=None, init=False)

    @property
    def target_path(self) -> Path:
        """Where dbt writes its artifacts."""
        return self.folder / "target"

    def __enter__(self) -> "Dbt":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def run(self, *arguments: str, project_dir: Path | None = None) -> Outcome:
        """Run one dbt command, e.g. `run("build", "--empty")`, and return how it ended; a failure is no exception."""
        place = project_dir or self.project_dir
        command = [
            *arguments,
            *("--project-dir", str(place), "--profiles-dir", str(self.profile.folder)),
            *("--profile", self.profile.name, *(("--target", self.profile.target) if self.profile.target else ())),
            *("--target-path", str(self.target_path if place == self.project_dir else self.folder / "cleanup")),
            *("--log-path", str(self.folder)),
        ]
        results = self.target_path / "run_results.json"
        results.unlink(missing_ok=True)
        process = self._started()
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        assert process.stdout is not None  # noqa: S101
        lines: list[str] = []
        warnings: list[str] = []
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(command) + "\n")
            process.stdin.flush()
        for answer in map(json.loads, process.stdout):
            if "said" in answer:
                lines.append(answer["said"])
                if answer["level"] == "warn":
                    warnings.append(answer["said"])
                self.told(answer["said"])
                continue
            found = json.loads(results.read_text())["results"] if results.is_file() else []
            return Outcome(arguments[0], **answer["ended"], results=found, lines=lines, warnings=warnings)
        self._process = None
        raise Problem(
            f"dbt {arguments[0]} ended without an answer (exit status {process.wait()}).",
            f"Read {self.folder / 'dbt.log'} and {self.folder / 'output.log'}; perhaps memory ran out.",
        )

    def must(self, *arguments: str) -> Outcome:
        """Run one dbt command as `run` does. Raises Problem with dbt's own words when it fails."""
        outcome = self.run(*arguments)
        if not outcome.success:
            raise Problem(
                f"`dbt {arguments[0]}` failed in {self.project_dir}:\n{outcome.text()}", "Correct the project."
            )
        return outcome

    def drop(self, schema: str, databases: list[str]) -> list[str]:
        """Drop the schemas of the pull request, `schema` and `schema`_..., and return those that there were.

        Raises Problem when dbt could not.
        """
        arguments = json.dumps({"prefix": schema, "databases": databases})
        outcome = self.run("run-operation", "drop_schemas", "--args", arguments, project_dir=_CLEANUP)
        if not outcome.success:
            raise Problem(
                f"The schemas {schema} and {schema}_... could not be dropped:\n{outcome.text()}",
                f"Drop them by hand, or with `mwaactl ci drop {self.profile.name} --schema {schema}`.",
            )
        return [line.removeprefix("dropped ") for line in outcome.lines if line.startswith("dropped ")]

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            ours = {SCHEMA_VARIABLE: self.schema} if self.schema else {}
            kept = {name: value for name, value in os.environ.items() if name not in (SCHEMA_VARIABLE, "PYTHONPATH")}
            with (self.folder / "output.log").open("ab") as output:
                self._process = subprocess.Popen(
                    [str(self.venv / "bin" / "python"), "-P", str(_DRIVER)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=output,
                    text=True,
                    cwd=self.project_dir,
                    env={**kept, **self.profile.env, **ours, "DO_NOT_TRACK": "1", "DBT_USE_COLORS": "0"},
                    start_new_session=True,  # Ctrl-C is ours to pass on
                )
        return self._process

    def stop(self) -> None:
        """End dbt; a query that runs is cancelled."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
