"""What a release consists of: the project's files as MWAA's bucket holds them, by path below the prefix."""

import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mwaactl.errors import Problem

PLUGINS, REQUIREMENTS, STARTUP = "plugins.zip", "requirements.txt", "startup.sh"
#: What MWAA's containers are built from; the environment names their object versions.
ENVIRONMENT_FILES = (PLUGINS, REQUIREMENTS, STARTUP)
DAGS = "dags/"

NEVER = {"__pycache__", ".git", ".pytest_cache", ".ruff_cache", ".mypy_cache"}
# What dbt leaves in a project folder; workers write theirs elsewhere.
DBT_LEFTOVERS = {"target", "logs", ".user.yml", "profiles.yml", ".venv"}
ZIP_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class File:
    """One file of a release: its size in bytes, its SHA-256 (hexadecimal) and a way to its content.

    `origin` says where the content comes from, for messages and for checks of the file itself; None when it is made.
    """

    size: int
    sha256: str
    read: Callable[[], bytes] = field(compare=False, repr=False)
    origin: Path | None = field(default=None, compare=False)

    @classmethod
    def of(cls, content: bytes) -> "File":
        """Return a file that is kept in memory."""
        return cls(len(content), hashlib.sha256(content).hexdigest(), lambda: content)

    @classmethod
    def at(cls, path: Path) -> "File":
        """Return the file at `path`. Read again when it is needed: a project may be bigger than memory."""
        content = path.read_bytes()
        return cls(len(content), hashlib.sha256(content).hexdigest(), path.read_bytes, path)


def _files(directory: Path, leave_out: frozenset[str] = frozenset()) -> Iterator[Path]:
    for path in sorted(directory.iterdir() if directory.is_dir() else ()):
        if path.name in NEVER or path.name in leave_out or path.name == ".gitkeep" or path.suffix == ".pyc":
            continue
        try:
            path.name.encode()
        except UnicodeEncodeError as error:  # nothing that comes after could name it
            raise Problem(f"The name {path.name!r} in {path.parent} is not UTF-8.", "Rename the file.") from error
        if path.is_dir():
            yield from _files(path)
        elif path.is_file():
            yield path


def plugin_members(source: Path) -> dict[str, Path]:
    """Return what plugins.zip holds of the project at `source`, by name in the archive."""
    plugins = source / "plugins"
    members = {path.relative_to(plugins).as_posix(): path for path in _files(plugins)}
    if (source / "requirements-dbt.txt").is_file():
        members["requirements-dbt.txt"] = source / "requirements-dbt.txt"
    return members


def plugins_zip(source: Path) -> bytes:
    """Return plugins.zip: plugins/ at its root and requirements-dbt.txt beside it, where startup.sh looks for it.

    The same files give the same bytes, so that only a change makes a new object version: names are sorted, dates and
    permissions are always the same, and nothing is compressed, since zlib isn't the same on every machine.
    """
    members = plugin_members(source)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            entry = zipfile.ZipInfo(name, ZIP_DATE)
            entry.create_system = 3  # Unix, wherever it is made
            entry.compress_type = zipfile.ZIP_STORED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, members[name].read_bytes())
    return content.getvalue()


def paths(source: Path) -> dict[str, Path]:
    """Return the files of the release of the project at `source` but for plugins.zip, by path in the bucket.

    dbt projects come first and DAG files last: a DAG must not be seen before what it reads.
    Raises Problem when `source` lacks a file that MWAA needs, or when a name isn't UTF-8.
    """
    found = {name: source / name for name in (REQUIREMENTS, STARTUP)}
    for path in found.values():
        if not path.is_file():
            raise Problem(f"{path} is missing.", "Restore it: MWAA's environment is built from it.")
    for project in sorted(path.parent for path in source.glob("dbt/*/dbt_project.yml")):
        for path in _files(project, frozenset(DBT_LEFTOVERS)):
            found[f"{DAGS}dbt/{path.relative_to(project.parent).as_posix()}"] = path
    dags = source / "dags"
    for path in sorted(_files(dags), key=lambda path: path.suffix == ".py"):
        found[f"{DAGS}{path.relative_to(dags).as_posix()}"] = path
    return found


def files(source: Path) -> dict[str, File]:
    """Return every file of the release of the project at `source`, by path in the bucket, in the order of `paths`."""
    found = {PLUGINS: File.of(plugins_zip(source))}
    found.update({name: File.at(path) for name, path in paths(source).items()})
    return found


def fingerprint(wanted: Mapping[str, File]) -> str:
    """Return a hash of a release's files: the same hash, the same release."""
    digest = hashlib.sha256()
    for name in sorted(wanted):
        digest.update(f"{name}\0{wanted[name].sha256}\n".encode())
    return digest.hexdigest()
