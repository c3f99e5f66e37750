"""Parses a dbt project for one target, as a release carries it (mwaa_dbt/warm/deployed.py takes it on a worker)."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mwaa_dbt.warm
import yaml

from mwaactl.errors import Problem

_NOTING = Path(mwaa_dbt.warm.__file__).with_name("noting.py")
_NO_PROFILE = 3  # noting.py


class ProfileProblem(Problem):
    """The target's profile can't be used here; nothing is known about the project."""


@dataclass(frozen=True)
class Made:
    """The files of one parse: dbt's manifest and saved parse, and the note of what it depends on."""

    target: str
    folder: Path

    @property
    def manifest(self) -> Path:
        """dbt's manifest.json."""
        return self.folder / "manifest.json"

    @property
    def parse(self) -> Path:
        """dbt's saved parse."""
        return self.folder / "partial_parse.msgpack"

    @property
    def note(self) -> Path:
        """What of the connection the saved parse depends on."""
        return self.folder / "note.json"


def targets(project_dir: Path, wanted: Sequence[str]) -> list[str]:
    """Return for which of `wanted` the project can be parsed; at least one, whatever its profiles.yml knows."""
    profile = _profile(project_dir)
    if profile is None:
        return [wanted[0]]
    outputs = [str(name) for name in profile.get("outputs") or ()]
    default = [name for name in (profile.get("target"), *outputs, "default") if name in (*outputs, "default")]
    return [target for target in wanted if target in outputs] or default[:1]


def make(venv: Path, project_dir: Path, target: str, folder: Path) -> Made:
    """Parse the project for `target` with the dbt of `venv`, in the empty `folder`.

    Raises Problem, ProfileProblem if it is about the profile; the message has dbt's own words.
    """
    made = Made(target, folder)
    name, profiles = project_dir.name, parsing_profile(project_dir, target, folder)
    command = [str(venv / "bin" / "python"), str(_NOTING), str(made.note), "parse", "--no-partial-parse"]
    where = ["--profiles-dir", str(profiles), "--profile", name, "--target", target, "--target-path", str(folder)]
    run_dbt([*command, *where], project_dir, folder)
    return made


def parsing_profile(project_dir: Path, target: str, scratch: Path) -> Path:
    """Return the folder of a profiles.yml to parse with: the project's own; without one, one is made in `scratch`."""
    if _profile(project_dir) is not None:
        return project_dir
    # Parsing connects to nothing, and reads of it what the local environment's connection has, too.
    name = project_dir.name
    outputs = {target: {"type": "duckdb", "path": f"{name}_{target}.duckdb"}}
    (scratch / "profiles.yml").write_text(yaml.safe_dump({name: {"target": target, "outputs": outputs}}))
    return scratch


def _profile(project_dir: Path) -> dict[str, Any] | None:
    """Return the project's own profile, empty if it can't be read: dbt says what is wrong with it."""
    try:
        content = yaml.safe_load((project_dir / "profiles.yml").read_text())
    except FileNotFoundError:
        return None
    except yaml.YAMLError:
        return {}
    if not isinstance(content, dict) or project_dir.name not in content:
        return None
    found = content[project_dir.name]
    return found if isinstance(found, dict) else {}


def run_dbt(command: list[str], project_dir: Path, logs: Path) -> None:
    """Run dbt on a project. Raises Problem with its words if it fails."""
    done = subprocess.run(
        [*command, "--project-dir", str(project_dir), "--log-path", str(logs)],
        cwd=project_dir,
        env={**os.environ, "DO_NOT_TRACK": "1", "DBT_USE_COLORS": "0"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        verb = next(word for word in command if word in ("deps", "parse"))
        raise (ProfileProblem if done.returncode == _NO_PROFILE else Problem)(
            f"`dbt {verb}` failed in {project_dir}:\n{done.stdout.strip()}",
            "Correct the project; what was built before is still there.",
        )
