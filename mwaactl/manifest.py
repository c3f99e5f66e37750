"""Builds what a release carries of a dbt project: manifest, partial parse, render manifest, packages."""

import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from mwaa_dbt import render_manifest as render

from mwaactl import dbt_venv
from mwaactl.errors import Problem
from mwaactl.local.layout import REPOSITORY

Told = Callable[[str], None]

#: What dbt and we make out of a project; it doesn't make the project another one.
_MADE = {render.BUILD_FOLDER, "target", "logs", "dbt_packages", "package-lock.yml", ".user.yml", "__pycache__"}
_PACKAGE_FILES = ("packages.yml", "dependencies.yml")
_PARSED = ("manifest.json", "partial_parse.msgpack")


@dataclass(frozen=True)
class Built:
    """What `build` did for one project. `fresh`: there was nothing to do. Sizes are in bytes."""

    project: str
    path: Path
    nodes: int
    manifest_size: int
    render_size: int
    fresh: bool


def projects(root: Path) -> list[str]:
    """Return the names of the dbt projects below `root`, sorted."""
    return sorted(path.parent.name for path in root.glob("*/dbt_project.yml"))


def fingerprint(project_dir: Path, dbt_version: str) -> str:
    """Return a hash of the project's own files, dbt's version and our format: the same hash, the same manifest."""
    digest = hashlib.sha256(f"{render.FORMAT} {dbt_version}\n".encode())
    for path in _sources(project_dir):
        digest.update(f"{path.relative_to(project_dir)} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _sources(project_dir: Path) -> Iterator[Path]:
    for path in sorted(project_dir.iterdir()):
        if path.name in _MADE:
            continue
        if path.is_dir():
            yield from sorted(file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
        else:
            yield path


def build(project: str, told: Told, *, root: Path = REPOSITORY / "dbt", force: bool = False) -> Built:
    """Parse the dbt project `project` below `root` and write its build folder, unless that is up to date.

    Raises Problem when there is no such project, or when dbt can't parse it; the message has dbt's own words.
    """
    project_dir = root / project
    if not (project_dir / "dbt_project.yml").is_file():
        known = ", ".join(projects(root)) or "none"
        raise Problem(f"There is no dbt project in {project_dir}.", f"Projects there: {known}.")
    name = yaml.safe_load((project_dir / "dbt_project.yml").read_text()).get("name")
    if name != project:
        raise Problem(
            f"The project in {project_dir} is called {name!r}.",
            f"Give the folder and `name` in dbt_project.yml the same name, e.g. `name: {project}`.",
        )
    venv = dbt_venv.ensure(told)
    version = _dbt_version(venv)
    target = render.path_of(project_dir)
    wanted = fingerprint(project_dir, version)
    fresh = not force and _is_fresh(target, wanted)
    if not fresh:
        _install_packages(venv, project_dir, told)
        told(f"Parsing {project} with dbt {version}")
        _parse(venv, project_dir, name, wanted)
    return Built(
        project=project,
        path=target,
        nodes=len(json.loads(target.read_text())["nodes"]),
        manifest_size=(target.parent / "manifest.json").stat().st_size,
        render_size=target.stat().st_size,
        fresh=fresh,
    )


def _is_fresh(render_manifest: Path, wanted: str) -> bool:
    if not all((render_manifest.parent / name).is_file() for name in _PARSED):
        return False
    try:
        return bool(json.loads(render_manifest.read_text())["metadata"]["fingerprint"] == wanted)
    except (OSError, ValueError, KeyError):
        return False


def _dbt_version(venv: Path) -> str:
    found = sorted(venv.glob("lib/python*/site-packages/dbt_core-*.dist-info"))
    if not found:
        raise Problem(f"There is no dbt-core in {venv}.", "Remove the folder and try again.")
    return found[-1].name.removeprefix("dbt_core-").removesuffix(".dist-info")


def _install_packages(venv: Path, project_dir: Path, told: Told) -> None:
    if has_packages(project_dir):
        told("Installing the project's dbt packages")
        _dbt(venv, project_dir, ["deps"])


def has_packages(project_dir: Path) -> bool:
    """Return whether the project in `project_dir` names dbt packages."""
    return any(yaml.safe_load(file.read_text()) for name in _PACKAGE_FILES if (file := project_dir / name).is_file())


def _parse(venv: Path, project_dir: Path, name: str, wanted: str) -> None:
    with tempfile.TemporaryDirectory(prefix="mwaactl-") as folder:
        made = Path(folder)
        profiles = parsing_profile(project_dir, name, made)
        _dbt(
            venv, project_dir, ["parse", "--no-partial-parse", "--profiles-dir", str(profiles), "--profile", name], made
        )
        manifest = json.loads((made / "manifest.json").read_text())
        build_dir = project_dir / render.BUILD_FOLDER
        build_dir.mkdir(exist_ok=True)
        for file in _PARSED:
            _replace(build_dir / file, (made / file).read_bytes())
        # Last, because its fingerprint says that the others are complete.
        _replace(build_dir / render.FILE_NAME, render.dumps(render.cut(manifest, wanted)).encode())


def parsing_profile(project_dir: Path, name: str, scratch: Path) -> Path:
    """Return the folder of a profiles.yml with which the project parses: its own, or one that is made in `scratch`."""
    if _has_profile(project_dir / "profiles.yml", name):
        return project_dir
    # Parsing connects to nothing, so that any profile will do.
    outputs = {"dev": {"type": "duckdb", "path": ":memory:"}}
    (scratch / "profiles.yml").write_text(yaml.safe_dump({name: {"target": "dev", "outputs": outputs}}))
    return scratch


def _has_profile(path: Path, name: str) -> bool:
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        return False
    except yaml.YAMLError:
        return True  # dbt says what is wrong with it
    return isinstance(content, dict) and name in content


def _replace(path: Path, content: bytes) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_bytes(content)
    unfinished.replace(path)


def _dbt(venv: Path, project_dir: Path, arguments: list[str], target: Path | None = None) -> None:
    env = {**os.environ, "DO_NOT_TRACK": "1", "DBT_USE_COLORS": "0"}
    where = (
        ["--target-path", str(target), "--log-path", str(target)] if target else ["--log-path", tempfile.gettempdir()]
    )
    done = subprocess.run(
        [str(venv / "bin" / "dbt"), *arguments, "--project-dir", str(project_dir), *where],
        cwd=project_dir,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise Problem(
            f"`dbt {arguments[0]}` failed in {project_dir}:\n{done.stdout.strip()}",
            "Correct the project; what was built before is still there.",
        )
