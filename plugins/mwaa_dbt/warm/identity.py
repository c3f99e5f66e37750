"""Which server a request belongs to: all that parsing depends on, and where that server listens.

A value that parsing may read is part of the address, so that each configuration has its own server.
Standard library only.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mwaa_dbt.warm import address

COMMANDS = {"build", "compile", "list", "ls", "run", "run-operation", "seed", "show", "snapshot", "test"}
# Of a command's arguments, those that parsing depends on, with and without a value.
PARSE_OPTIONS = {"--profile", "--profiles-dir", "--project-dir", "--target", "-t", "--vars", "--warn-error-options"}
PARSE_SWITCHES = {"--warn-error", "--no-warn-error", "--version-check", "--no-version-check"}
# What needs more than the project as it is parsed here.
UNSUITED = {
    "--state", "--defer", "--defer-state", "--favor-state", "--no-partial-parse", "--partial-parse-file-diff",
    "--help", "-h", "--version", "--record-timing-info", "-r",
    "--inline", "--inline-direct",  # a node more than the project has
}  # fmt: skip
# Variables that act when a process starts, or are dbt's own options that parsing depends on.
PROCESS_VARIABLES = {"HOME", "LANG", "LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONHASHSEED", "PYTHONPATH", "TMPDIR"} | {
    f"{prefix}{name}"
    for prefix in ("DBT_", "DBT_ENGINE_")
    for name in (
        "PARTIAL_PARSE", "PARTIAL_PARSE_FILE_PATH", "PROFILE", "TARGET", "VERSION_CHECK", "WARN_ERROR",
        "WARN_ERROR_OPTIONS",
    )
}  # fmt: skip
UNSUITED_VARIABLES = {
    f"{prefix}{name}"
    for prefix in ("DBT_", "DBT_ENGINE_")
    for name in ("STATE", "DEFER", "DEFER_STATE", "FAVOR_STATE", "DEFER_TO_STATE", "ARTIFACT_STATE_PATH")
} | {"MWAA_DBT_ALL_ARTIFACTS"}  # a warm dbt has left them out before it is asked


class UnservedError(Exception):
    """The warm dbt can't take this request; nothing has run. The text says why."""


@dataclass(frozen=True)
class Address:
    """A request's server, as far as it is known before the project was parsed."""

    folder: Path
    base: str
    config: dict[str, Any] = field(compare=False)


def parse_arguments(args: Sequence[str]) -> list[str]:
    """Return the arguments that parsing depends on. Raises UnservedError for a command that isn't to be served."""
    command = args[0] if args else ""
    if command not in COMMANDS and list(args[:2]) != ["source", "freshness"]:
        raise UnservedError(f"`dbt {command}` isn't for a warm dbt")
    kept: list[str] = []
    rest = iter(args[1:])
    for argument in rest:
        name, equals, _ = argument.partition("=")
        if name in UNSUITED:
            raise UnservedError(f"{name} isn't for a warm dbt")
        if name in PARSE_SWITCHES:
            kept.append(argument)
        elif name in PARSE_OPTIONS:
            kept += [argument] if equals else [argument, next(rest, "")]
    return kept


def option(arguments: Sequence[str], name: str) -> str | None:
    """Return the value that the arguments give to the option `name`, e.g. ``--target``; None if they don't."""
    found = None
    for i, argument in enumerate(arguments):
        if argument == name and i + 1 < len(arguments):
            found = arguments[i + 1]
        elif argument.startswith(f"{name}="):
            found = argument.partition("=")[2]
    return found


def locate(venv: Path, args: Sequence[str], env: Mapping[str, str], secrets: Collection[str], cwd: Path) -> Address:
    """Return where the server of a request is. Raises UnservedError if it can't have one."""
    if sys.platform != "linux":
        raise UnservedError("a warm dbt needs Linux")
    arguments = parse_arguments(args)
    if used := sorted(name for name in UNSUITED_VARIABLES if env.get(name)):
        raise UnservedError(f"{used[0]} isn't for a warm dbt")
    project, profiles = option(arguments, "--project-dir"), option(arguments, "--profiles-dir")
    if not project or not profiles:
        raise UnservedError("--project-dir and --profiles-dir must be given")
    try:
        profile = (cwd / profiles / "profiles.yml").read_bytes()
    except OSError as e:
        raise UnservedError(f"profiles.yml can't be read: {e}") from e
    here = Path(__file__).parent
    identity = {
        "code": [p.read_text() for p in sorted(here.glob("*.py"))],
        "venv": str(venv),
        "cwd": str(cwd),
        "project": str((cwd / project).resolve()),  # a link may lead elsewhere tomorrow
        "arguments": _without(arguments, "--profiles-dir"),
        "profile": address.digest(profile.decode(errors="replace")),
        "env": {n: env[n] for n in PROCESS_VARIABLES if n in env and n not in secrets},
        "secrets": sorted(secrets),
    }
    folder = private_folder()
    base = address.digest(identity)
    if len(str(address.socket_path(folder, base, [], {}, ()))) > 100:
        raise UnservedError(f"the path {folder} is too long for a socket; set TMPDIR to a shorter one")
    config = {
        "folder": str(folder),
        "base": base,
        "project_dir": str((cwd / project).resolve()),
        "parse_args": arguments,
        "secrets": sorted(secrets),
    }
    return Address(folder, base, config)


def _without(arguments: Sequence[str], name: str) -> list[str]:
    kept: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == name:
            next(rest, None)
        elif not argument.startswith(f"{name}="):
            kept.append(argument)
    return kept


def private_folder() -> Path:
    """Return the folder of this user's sockets, made if need be. Raises UnservedError if somebody else could use it."""
    folder = Path(tempfile.gettempdir()) / f"mwaa_dbt_{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise UnservedError(f"{folder} must be a directory of this user alone (mode 0700)")
    return folder
