"""Builds what a release carries of a dbt project: manifest, partial parse, render manifest, packages."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from mwaa_dbt import render_manifest as render

from mwaactl import dbt_venv, target_parse, yaml_files
from mwaactl.errors import Problem
from mwaactl.local.layout import REPOSITORY

Told = Callable[[str], None]

#: What dbt and we make out of a project; it doesn't make the project another one.
_MADE = {render.BUILD_FOLDER, "target", "logs", "dbt_packages", ".user.yml", "__pycache__"}
#: The local environment's.
DEFAULT_TARGETS = ("dev",)
_PACKAGE_FILES = ("packages.yml", "dependencies.yml")
MANIFEST = "manifest.json"


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
    """Return a hash of the project's own files and of its local packages', of dbt's version and of our format.

    The same hash, the same manifest: other packages are pinned by package-lock.yml.
    """
    digest = hashlib.sha256(f"{render.FORMAT} {dbt_version}\n".encode())
    for path in chain(*map(_sources, [project_dir, *_local_packages(project_dir)])):
        digest.update(f"{os.path.relpath(path, project_dir)} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _sources(project_dir: Path) -> Iterator[Path]:
    for path in sorted(project_dir.iterdir()):
        if path.name in _MADE:
            continue
        if path.is_dir():
            yield from sorted(file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
        elif path.is_file():
            yield path


def build(
    project: str,
    told: Told,
    *,
    root: Path = REPOSITORY / "dbt",
    targets: Sequence[str] = DEFAULT_TARGETS,
    force: bool = False,
) -> Built:
    """Parse the dbt project `project` below `root` and write its build folder, unless that is up to date.

    A parse is true for one target: there is one for each of `targets` that the project's profiles.yml knows (without
    one: for the first), so that tasks needn't parse. The manifest is the first's.

    Raises Problem when there is no such project, or when dbt can't parse it; the message has dbt's own words.
    """
    project_dir = root / project
    if not (project_dir / "dbt_project.yml").is_file():
        known = ", ".join(projects(root)) or "none"
        raise Problem(f"There is no dbt project in {project_dir}.", f"Projects there: {known}.")
    name = yaml_files.mapping(project_dir / "dbt_project.yml").get("name")
    if name != project:
        raise Problem(
            f"The project in {project_dir} is called {name!r}.",
            f"Give the folder and `name` in dbt_project.yml the same name, e.g. `name: {project}`.",
        )
    venv = dbt_venv.ensure(told)
    version = _dbt_version(venv)
    target = render.path_of(project_dir)
    wanted = fingerprint(project_dir, version)
    parsed_for = target_parse.targets(project_dir, targets)
    force = force or lacks_packages(project_dir)
    fresh = not force and _is_fresh(target, wanted, parsed_for)
    if not fresh:
        if force or not _is_fresh(target, wanted):
            _install_packages(venv, project_dir, told)
            wanted = fingerprint(project_dir, version)  # dbt has written package-lock.yml
            told(f"Parsing {project} with dbt {version}")
            _parse(venv, project_dir, parsed_for[0], wanted)
        _parse_others(venv, project_dir, parsed_for, told)
    return Built(
        project=project,
        path=target,
        nodes=len(json.loads(target.read_text())["nodes"]),
        manifest_size=(target.parent / MANIFEST).stat().st_size,
        render_size=target.stat().st_size,
        fresh=fresh,
    )


def _is_fresh(render_manifest: Path, wanted: str, targets: Sequence[str] = ()) -> bool:
    build_dir = render_manifest.parent
    try:
        made_of = json.loads(render_manifest.read_text())["metadata"]["fingerprint"]
        # What a full disk or a broken copy leaves ends anywhere; dbt's manifest is one JSON object.
        whole = _last_byte(build_dir / MANIFEST) == b"}"
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return bool(made_of == wanted) and whole and all(_has_parse(build_dir, target) for target in targets)


def _has_parse(build_dir: Path, target: str) -> bool:
    parse = build_dir / render.parse_name(target)
    try:
        return bool(json.loads(parse.with_suffix(".json").read_text())["size"] == parse.stat().st_size)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read()


def _dbt_version(venv: Path) -> str:
    found = sorted(venv.glob("lib/python*/site-packages/dbt_core-*.dist-info"))
    if not found:
        raise Problem(f"There is no dbt-core in {venv}.", "Remove the folder and try again.")
    return found[-1].name.removeprefix("dbt_core-").removesuffix(".dist-info")


def _install_packages(venv: Path, project_dir: Path, told: Told) -> None:
    if has_packages(project_dir):
        told("Installing the project's dbt packages")
        target_parse.run_dbt([str(venv / "bin" / "dbt"), "deps"], project_dir, Path(tempfile.gettempdir()))


def _local_packages(project_dir: Path) -> list[Path]:
    """Return the folders of the packages that the project names by their path, as far as they are there."""
    found = []
    for name in _PACKAGE_FILES:
        file = project_dir / name
        entries = (yaml_files.mapping(file) if file.is_file() else {}).get("packages") or ()
        paths = [str(entry["local"]) for entry in entries if isinstance(entry, dict) and "local" in entry]
        found += [folder for path in paths if (folder := project_dir / path).is_dir()]
    return found


def has_packages(project_dir: Path) -> bool:
    """Return whether the project in `project_dir` names dbt packages."""
    return any(yaml_files.mapping(file) for name in _PACKAGE_FILES if (file := project_dir / name).is_file())


def lacks_packages(project_dir: Path) -> bool:
    """Whether the packages that the project names aren't there (any more): `dbt clean` removes them."""
    name = yaml_files.mapping(project_dir / "dbt_project.yml").get("packages-install-path", "dbt_packages")
    return has_packages(project_dir) and not any((project_dir / str(name)).glob("*"))


def _parse(venv: Path, project_dir: Path, target: str, wanted: str) -> None:
    """Parse for `target` and write what is built of it."""
    build_dir = project_dir / render.BUILD_FOLDER
    with tempfile.TemporaryDirectory(prefix="mwaactl-") as folder:
        made = target_parse.make(venv, project_dir, target, Path(folder))
        build_dir.mkdir(exist_ok=True)
        for old in build_dir.glob("partial_parse.*"):
            old.unlink()
        _replace(build_dir / MANIFEST, made.manifest.read_bytes())
        _keep_parse(made, build_dir)
        manifest = json.loads(made.manifest.read_text())
        # Last, because its fingerprint says that the others are complete.
        _replace(build_dir / render.FILE_NAME, render.dumps(render.cut(manifest, wanted)).encode())


def _parse_others(venv: Path, project_dir: Path, targets: Sequence[str], told: Told) -> None:
    """Parse for each of `targets` that has no parse yet."""
    build_dir = project_dir / render.BUILD_FOLDER
    for target in targets:
        if _has_parse(build_dir, target):
            continue
        told(f"Parsing {project_dir.name} for the target {target}")
        with tempfile.TemporaryDirectory(prefix="mwaactl-") as folder:
            try:
                _keep_parse(target_parse.make(venv, project_dir, target, Path(folder)), build_dir)
            except target_parse.ProfileProblem as problem:
                # A task of this target parses the project itself, on each worker once.
                told(f"{problem.what}\nReleased without a parse for {target}.")


def _keep_parse(made: target_parse.Made, build_dir: Path) -> None:
    kept = build_dir / render.parse_name(made.target)
    content = made.parse.read_bytes()
    note = {**json.loads(made.note.read_text()), "size": len(content)}
    _replace(kept.with_suffix(".json"), json.dumps(note).encode())
    _replace(kept, content)


def _replace(path: Path, content: bytes) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_bytes(content)
    unfinished.replace(path)
