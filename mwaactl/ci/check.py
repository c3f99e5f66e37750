"""The check of a pull request: builds what it changes beside production, then removes it."""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mwaa_dbt import state as states

from mwaactl import dbt_venv, manifest
from mwaactl.ci import dag_changes, profile, schemas, selection
from mwaactl.ci.runner import Dbt, Outcome
from mwaactl.ci.steps import Steps
from mwaactl.environments import Environment
from mwaactl.errors import INTERRUPTED, Problem

_NO_TESTS = ("--exclude-resource-type", "test", "unit_test")


@dataclass
class Check:
    """What a check found. `stopped_in` is the pass in which nodes failed: "empty", "build", or None if none did."""

    project: str
    environment: str
    schema: str
    state: str | None  # the release that the state belongs to; None: there is no state
    selection: selection.Selection
    results: list[dict[str, Any]] = field(default_factory=list)
    stopped_in: str | None = None
    error: str = ""
    dags: dag_changes.Changes | None = None
    dropped: list[str] = field(default_factory=list)
    left: str = ""  # why schemas could not be dropped
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether everything was built, every test passed and nothing was left behind."""
        return self.stopped_in is None and not self.left


@dataclass(frozen=True)
class Request:
    """What to check: `project` of `source` against `environment`, in `schema`; `folder` takes what is made."""

    environment: Environment
    source: Path
    project: str
    schema: str
    folder: Path
    profiles_dir: Path | None = None
    connection: str | None = None

    @property
    def project_dir(self) -> Path:
        """The dbt project's folder."""
        return self.source / "dbt" / self.project


def run(request: Request, steps: Steps) -> Check:
    """Check the pull request and return what came out; a model that fails is a result, not an exception.

    Raises Problem when the check can't be made: no access, no profile, a project that doesn't parse, schemas that
    aren't the pull request's. Whatever happens, the pull request's schemas are dropped.
    """
    began = time.time()
    folder = request.folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with steps.step("state"):
        state = fetch_state(request)
        chosen_profile = profile.of(
            request.environment, request.project_dir, folder, request.profiles_dir, request.connection
        )
    if state is None:
        with steps.step("NO STATE: everything is built"):
            pass
    venv = dbt_venv.ensure(steps.said)
    dbt = Dbt(venv, request.project_dir, chosen_profile, folder, request.schema, steps.said)
    with dbt:
        with steps.step("parse"):
            if manifest.has_packages(request.project_dir):
                dbt.must("deps")
            dbt.must("parse")
            head = json.loads((dbt.target_path / "manifest.json").read_text(encoding="utf-8"))
            before = json.loads(state.manifest) if state else None
            schemas.check(request.schema, head, before)
            state_args = ["--state", str(folder / "state")] if state else []
            chosen = selection.choose(dbt, head, before, state_args)
        found = Check(
            request.project, request.environment.name, request.schema, state.release if state else None, chosen
        )
        if not chosen.empty:
            _build_and_drop(dbt, request, found, state_args, schemas.databases(head), steps)
    with steps.step("DAGs"):
        found.dags = dag_changes.between(request.environment, request.source, folder / "dags", {request.project: head})
    found.seconds = {**steps.seconds(), "all": round(time.time() - began, 1)}
    return found


def drop(request: Request, told: Callable[[str], None]) -> list[str]:
    """Drop what a killed check left of the pull request, and return the schemas that there were.

    Raises Problem when the project doesn't parse, when production has schemas of such names, or when dbt can't drop.
    """
    shutil.rmtree(request.folder, ignore_errors=True)
    request.folder.mkdir(parents=True)
    state = fetch_state(request)
    used = profile.of(
        request.environment, request.project_dir, request.folder, request.profiles_dir, request.connection
    )
    with Dbt(dbt_venv.ensure(told), request.project_dir, used, request.folder, request.schema) as dbt:
        if manifest.has_packages(request.project_dir):
            dbt.must("deps")
        dbt.must("parse")
        head = json.loads((dbt.target_path / "manifest.json").read_text(encoding="utf-8"))
        schemas.check(request.schema, head, json.loads(state.manifest) if state else None)
        return dbt.drop(request.schema, schemas.databases(head))


def fetch_state(request: Request) -> states.State | None:
    """Fetch the state from the bucket into `folder`/state, where dbt finds it; return it, None if there is none."""
    environment = request.environment
    place = states.Place(environment.bucket, request.project, environment.target, environment.prefix)
    try:
        found = states.read(environment.client("s3"), place)
    except Exception as error:
        raise Problem(
            f"The state s3://{environment.bucket}/{place.manifest} can't be read: {error}",
            "Look at the AWS credentials and the bucket; the role needs s3:GetObject and s3:ListBucket on it.",
        ) from error
    if found:
        path = request.folder / "state" / "manifest.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(found.manifest)
    return found


def _build_and_drop(
    dbt: Dbt, request: Request, found: Check, state_args: list[str], databases: list[str], steps: Steps
) -> None:
    stopped: KeyboardInterrupt | Problem | None = None
    try:
        with steps.step("leftovers"):  # of a check that was killed
            dbt.drop(request.schema, databases)
        _build(dbt, request, found, state_args, databases, steps)
    except (KeyboardInterrupt, Problem) as error:
        stopped = error
    finally:
        with steps.step("drop"):
            try:
                if stopped:  # it may be in the middle of something
                    dbt.stop()
                found.dropped = dbt.drop(request.schema, databases)
            except (Problem, KeyboardInterrupt) as error:
                steps.failed()
                found.left = str(error) or f"Interrupted while the schemas {request.schema}_... were dropped."
    after = found.left or f"The schemas of {request.schema} were dropped."
    if isinstance(stopped, Problem):
        raise Problem(f"{stopped.what}\n{after}", stopped.next_step) from stopped
    if stopped:
        raise Problem(f"Interrupted. {after}", "", INTERRUPTED)


def _build(dbt: Dbt, request: Request, found: Check, state_args: list[str], databases: list[str], steps: Steps) -> None:
    chosen = ["--select", "state:modified+", "--defer", "--favor-state", *state_args] if state_args else []

    def succeeded(where: str, outcome: Outcome) -> bool:
        """Keep what the pass has written, since the next command removes it; say where the check ended, if it did."""
        written = dbt.target_path / "run_results.json"
        if written.is_file():
            shutil.copy2(written, request.folder / written.name)
        if not outcome.success:
            steps.failed()
            found.stopped_in, found.results, found.error = where, outcome.results, outcome.text()
        return outcome.success

    with steps.step("empty"):
        if not succeeded("empty", dbt.run("build", *chosen, "--empty", *_NO_TESTS)):
            return
        # An incremental model mustn't take the empty table for what it has built so far.
        dbt.drop(request.schema, databases)
    if found.selection.clones:
        with steps.step("clone"):
            if not succeeded("clone", dbt.run("clone", "--select", *found.selection.clones, *state_args)):
                return
    with steps.step("build"):
        outcome = dbt.run("build", *chosen)
        found.results = outcome.results
        succeeded("build", outcome)
