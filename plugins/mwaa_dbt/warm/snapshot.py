"""A parsed dbt project and all that it was parsed from, so that a change is noticed. Runs inside dbt's virtualenv."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import address
from extract import extract
from observing import RecordingEnv, files_parsed, lines_of_dbt, patched

# dbt writes these itself and never reads a model from them.
NOT_READ = {"target", "logs", ".git"}
TRIES = 3


@dataclass
class Parsed:
    """A manifest, with the state of everything that it came from."""

    config: dict[str, Any]
    manifest: Any
    files: dict[str, tuple[int, ...]]
    venv: dict[str, tuple[int, ...]]
    env: dict[str, str | None]  # what parsing read, without secrets
    names: set[str]
    read: str = ""  # how much of the project was parsed, in words
    events: list[tuple[Any, Any]] = field(default_factory=list)  # what the parse showed
    deprecations: dict[str, int] = field(default_factory=dict)

    def changed(self) -> str:
        """Name something that differs from when the project was parsed; empty if nothing does."""
        if differing := _difference(self.venv, venv_state()):
            return f"dbt's virtualenv ({differing})"
        if differing := _difference(self.files, project_state(Path(self.config["project_dir"]))):
            return f"the project ({differing})"
        return ""

    def unsuited(self, env: Mapping[str, str]) -> str:
        """Name an environment variable that parsing read and that has another value in `env`; empty if none."""
        return next((f"{name} has another value" for name, value in self.env.items() if env.get(name) != value), "")

    def publish(self) -> Path:
        """Tell clients which variables matter; return the path of the socket to listen on."""
        folder, base = Path(self.config["folder"]), self.config["base"]
        names = sorted({*self.names, *(address.read_names(folder, base) or [])})
        draft = folder / f"{base}.names.tmp"
        draft.write_text(json.dumps(names))
        draft.rename(address.names_file(folder, base))
        return address.socket_path(folder, base, names, os.environ, self.config["secrets"])


def _difference(old: dict[str, tuple[int, ...]], new: dict[str, tuple[int, ...]]) -> str:
    if old == new:
        return ""
    return next((name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)), "")


def _state(entry: os.stat_result) -> tuple[int, ...]:
    # ctime, too: a copy can set back a file's mtime, not its ctime.
    return entry.st_mtime_ns, entry.st_ctime_ns, entry.st_size, entry.st_ino


def project_state(root: Path) -> dict[str, tuple[int, ...]]:
    """Return the state of every file below a project, packages and build folder included."""

    def walk(folder: str) -> Iterator[tuple[str, tuple[int, ...]]]:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir():
                    if folder != str(root) or entry.name not in NOT_READ:
                        yield from walk(entry.path)
                else:
                    try:
                        yield entry.path, _state(entry.stat())
                    except FileNotFoundError:  # a dangling link, or gone since it was listed
                        yield entry.path, ()

    return {path[len(str(root)) + 1 :]: state for path, state in walk(str(root))}


def venv_state() -> dict[str, tuple[int, ...]]:
    """Return the state of the virtualenv: any package that is installed or removed changes its folder."""
    root = Path(sys.prefix)
    found = {}
    for path in (
        root / "pyvenv.cfg",
        *(Path(p) for p in sys.path if p.startswith(sys.prefix) and "site-packages" in p),
    ):
        try:
            found[str(path)] = _state(path.stat())
        except FileNotFoundError:
            found[str(path)] = ()
    return found


def parse(config: dict[str, Any]) -> Parsed:
    """Parse the project as `dbt parse` does, and again if its files changed meanwhile.

    Raises whatever dbt raised, and RuntimeError if the project reads a secret while it is parsed.
    """
    root = Path(config["project_dir"])
    venv = venv_state()
    for _ in range(TRIES):
        files = project_state(root)
        parsed = _parse_once(config, files, venv)
        if not parsed.changed():
            return parsed
    raise RuntimeError(f"{parsed.changed()} kept changing while it was parsed")


def _parse_once(config: dict[str, Any], files: dict[str, Any], venv: dict[str, Any]) -> Parsed:
    from dbt.cli import requires
    from dbt.cli.main import dbtRunner
    from dbt.clients import jinja_static
    from dbt.deprecations import active_deprecations
    from dbt.parser import unit_tests

    recorded: list[RecordingEnv] = []
    events: list[tuple[Any, Any]] = []
    reasons: list[str] = []
    files_read: list[tuple[int, int]] = []
    before: dict[str, int] = {}
    after: dict[str, int] = {}

    def get_env(original: Callable[[], dict[str, str]]) -> Callable[[], RecordingEnv]:
        def recording() -> RecordingEnv:
            recorded.append(RecordingEnv(original()))
            return recorded[-1]

        return recording

    def load_profile(original: Callable[..., Any]) -> Callable[..., Any]:
        def marked(*args: Any, **kwargs: Any) -> Any:
            recorded[-1].reading = "profile"
            try:
                return original(*args, **kwargs)
            finally:
                recorded[-1].reading = "project"

        return marked

    def parse_manifest(original: Callable[..., Any]) -> Callable[..., Any]:
        def observed(config: Any, perf_info: bool, write: bool, write_json: bool, integrations: Any) -> Any:
            before.update(active_deprecations)
            with lines_of_dbt(events, reasons), files_parsed(files_read):
                manifest = original(config, False, False, False, integrations)  # nothing is written
            after.update(active_deprecations)
            return manifest

        return observed

    target = Path(config["folder"]) / f"{config['base']}.parse"
    arguments = ["parse", *config["parse_args"], "--target-path", str(target), "--log-path", str(target)]
    # dbt's static parser keeps a pool of threads. Without it Jinja renders each model: what it would do if unsure.
    arguments += ["--no-static-parser", "--no-use-experimental-parser"]
    with (
        patched(requires, get_env=get_env, load_profile=load_profile, parse_manifest=parse_manifest),
        patched(jinja_static, py_extract_from_source=lambda _: extract),
        patched(unit_tests, py_extract_from_source=lambda _: extract),
    ):
        result = dbtRunner().invoke(arguments)
    shutil.rmtree(target, ignore_errors=True)
    if result.exception:
        raise result.exception
    if not recorded or result.result is None:
        raise RuntimeError("dbt did not parse the project as this version of the warm server expects")
    env = recorded[-1]
    # What a saved parse read it doesn't read again: dbt compares those with os.environ itself (dbt/parser/partial.py).
    saved = set(result.result.env_vars)
    if secret := (env.project_names | saved) & set(config["secrets"]):
        raise RuntimeError(f"the project itself (not its profile) reads the secret {', '.join(sorted(secret))}")
    names = env.names | saved
    counts = {name: count - before.get(name, 0) for name, count in after.items() if count > before.get(name, 0)}
    values = {name: dict.get(env, name) for name in names if name not in config["secrets"]}
    import_commands()
    return Parsed(config, result.result, files, venv, values, names, _words(files_read, reasons), events, counts)


def _words(files_read: list[tuple[int, int]], reasons: list[str]) -> str:
    """Say how much of a project was parsed, and why not less."""
    total, parsed = files_read[-1]
    if reasons:
        return f"all {total} files of the project: {reasons[0].rstrip('.')}"
    return f"{parsed} of the project's {total} files, and the release's parse for the rest"


def import_commands() -> None:
    """Import what dbt imports when a command starts, once for all children."""
    import importlib

    for name in ("build", "compile", "freshness", "list", "run", "run_operation", "seed", "show", "snapshot", "test"):
        importlib.import_module(f"dbt.task.{name}")
