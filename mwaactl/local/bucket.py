"""The project as MWAA's bucket holds it, and its upload."""

import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mwaactl.errors import Problem
from mwaactl.local.layout import BUCKET

NEVER = {"__pycache__", ".git", ".pytest_cache", ".ruff_cache", ".mypy_cache"}
# What dbt leaves in a project folder; workers write theirs elsewhere.
DBT_LEFTOVERS = {"target", "logs", ".user.yml", "profiles.yml", ".venv"}
ZIP_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass
class Changes:
    """Which objects an upload or a sync wrote and removed."""

    written: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.written or self.removed)


def _files(directory: Path, leave_out: frozenset[str] = frozenset()) -> Iterator[Path]:
    for path in sorted(directory.iterdir() if directory.is_dir() else ()):
        if path.name in NEVER or path.name in leave_out or path.name == ".gitkeep" or path.suffix == ".pyc":
            continue
        if path.is_dir():
            yield from _files(path)
        elif path.is_file():
            yield path


def plugins_zip(source: Path) -> bytes:
    """Return plugins.zip: plugins/ at its root and requirements-dbt.txt beside it, where startup.sh looks for it.

    The same files give the same bytes, so that only a change makes a new object version.
    """
    plugins = source / "plugins"
    members = {path.relative_to(plugins).as_posix(): path for path in _files(plugins)}
    if (source / "requirements-dbt.txt").is_file():
        members["requirements-dbt.txt"] = source / "requirements-dbt.txt"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(members):
            entry = zipfile.ZipInfo(name, ZIP_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, members[name].read_bytes())
    return content.getvalue()


def contents(source: Path) -> dict[str, bytes]:
    """Return what the bucket holds for the project at `source`, by key, in the order of upload.

    dbt projects come first and DAG files last: a DAG must not be seen before what it reads.
    Raises Problem when `source` lacks a file that MWAA needs.
    """
    for name in ("requirements.txt", "startup.sh"):
        if not (source / name).is_file():
            raise Problem(f"{source / name} is missing.", "Restore it: MWAA's environment is built from it.")
    found: dict[str, bytes] = {"requirements.txt": b"", "startup.sh": b""}
    for name in found:
        found[name] = (source / name).read_bytes()
    found["plugins.zip"] = plugins_zip(source)
    for project in sorted(path.parent for path in source.glob("dbt/*/dbt_project.yml")):
        for path in _files(project, frozenset(DBT_LEFTOVERS)):
            found[f"dags/dbt/{path.relative_to(project.parent).as_posix()}"] = path.read_bytes()
    dags = source / "dags"
    for path in sorted(_files(dags), key=lambda path: path.suffix == ".py"):
        found[f"dags/{path.relative_to(dags).as_posix()}"] = path.read_bytes()
    return found


def etags(s3: Any, prefix: str) -> dict[str, str]:
    """Return the ETag of each object under `prefix`."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    return {entry["Key"]: entry["ETag"].strip('"') for page in pages for entry in page.get("Contents", ())}


def create(s3: Any) -> None:
    """Create the bucket, versioned as MWAA demands; do nothing when it exists."""
    try:
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name})
    except (s3.exceptions.BucketAlreadyOwnedByYou, s3.exceptions.BucketAlreadyExists):
        return
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})


def upload(s3: Any, wanted: dict[str, bytes], told: Callable[[str], None] = lambda _: None) -> Changes:
    """Make the project's part of the bucket equal to `wanted`: changed objects by ETag, then deletions below dags/."""
    there = etags(s3, "dags/") | {k: v for name in wanted if "/" not in name for k, v in etags(s3, name).items()}
    changes = Changes()
    changes.written = [
        k for k, v in wanted.items() if there.get(k) != hashlib.md5(v, usedforsecurity=False).hexdigest()
    ]
    changes.removed = sorted(key for key in there if key.startswith("dags/") and key not in wanted)

    def put(key: str) -> None:
        told(key)
        s3.put_object(Bucket=BUCKET, Key=key, Body=wanted[key])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, [key for key in changes.written if not key.endswith(".py")]))
        list(pool.map(put, [key for key in changes.written if key.endswith(".py")]))
    for key in changes.removed:
        s3.delete_object(Bucket=BUCKET, Key=key)
    return changes
