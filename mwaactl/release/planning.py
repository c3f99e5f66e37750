"""What a release would change: compared by content hash with what is there. Writes nothing."""

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mwaactl.environments import Environment
from mwaactl.local import options
from mwaactl.release import builds, contents, pointer, record, target
from mwaactl.release.contents import File
from mwaactl.release.objects import Bucket, Stored
from mwaactl.release.pointer import State
from mwaactl.release.record import Record
from mwaactl.release.target import Target
from mwaactl.release.updates import Update, needed


@dataclass(frozen=True)
class Wanted:
    """What an environment shall be: files by path, configuration options, and the release it is taken from, if any."""

    files: Mapping[str, File]
    options: Mapping[str, str]
    restores: Record | None = None


@dataclass(frozen=True)
class Plan:
    """What stands between an environment and what is wanted. Lists of paths are sorted.

    `same` are the objects that stay, as S3 has them. `drifted` are objects that aren't what the record of the release
    in force says: left by an interrupted apply, or written by hand. `pins` are the versions that the environment is
    built from. `update` is None when the environment needn't be updated.
    """

    environment: Environment
    target: Target
    wanted: Wanted
    state: State
    current: Record | None
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    drifted: tuple[str, ...]
    same: Mapping[str, Stored]
    pins: Mapping[str, str]
    update: Update | None

    @property
    def uploads(self) -> tuple[str, ...]:
        """What has to be written."""
        return tuple(sorted((*self.added, *self.changed)))

    @property
    def nothing(self) -> bool:
        """Whether the environment is already what is wanted."""
        recorded = self.current is not None and self.state.unfinished is None
        return recorded and not (self.added or self.changed or self.removed or self.update)


def wanted(environment: Environment, source: Path) -> Wanted:
    """Return what `environment` shall be by the project at `source`. Raises Problem when files that MWAA needs lack."""
    chosen = {**options.read(source), **environment.own_options}
    return Wanted(contents.files(source), chosen)


def plan(environment: Environment, what: Wanted, found: Target | None = None, replacement: str | None = None) -> Plan:
    """Return what would have to be done to make `environment` what is wanted.

    `found` is what is known of the environment already; `replacement` is what the caller wants of running tasks
    (FORCED, GRACEFUL, None: as gentle as MWAA allows). Raises Problem when something can't be read.
    """
    bucket = Bucket(environment)
    # First, so that whatever is written after this is noticed by the pointer's conditional write.
    state = pointer.read(bucket.s3, environment)
    with ThreadPoolExecutor(2) as pool:
        looking = pool.submit(lambda: found or target.look(environment))
        listing = pool.submit(bucket.listed)
        current = record.read(bucket.s3, environment, state.release) if state.release else None
        listed, found = listing.result(), looking.result()
    known = _known(bucket, what.files, listed, current)
    same = {path: one for path, one in known.items() if path in what.files and one.sha256 == what.files[path].sha256}
    if not what.restores:  # a rollback brings back the very versions
        same.update(builds.kept(bucket, what.files, known, current))
    pins = {name: pin for name in contents.ENVIRONMENT_FILES if (pin := _pinned(found.mwaa, name))}
    update = needed(environment, found.mwaa, what.options, _differing(bucket, what, known, current, pins), replacement)
    return Plan(
        environment=environment,
        target=found,
        wanted=what,
        state=state,
        current=current,
        added=tuple(sorted(set(what.files) - set(listed))),
        changed=tuple(sorted(path for path in what.files if path in listed and path not in same)),
        removed=tuple(sorted(path for path in listed if path not in what.files)),
        drifted=_drifted(listed, known, current),
        same=same,
        pins=pins,
        update=update,
    )


def _known(
    bucket: Bucket, files: Mapping[str, File], listed: Mapping[str, tuple[int, str]], current: Record | None
) -> dict[str, Stored]:
    """Return the objects in the bucket with their SHA-256, as far as it is known or of interest.

    An object with the recorded ETag is what was recorded. Of the others S3 tells the SHA-256 if mwaactl wrote them;
    else an ETag that is the content's MD5 will do (S3 user guide, "Checking object integrity").
    """
    recorded = current.files if current else {}
    found = {
        path: recorded[path]
        for path, (size, etag) in listed.items()
        if path in recorded and (recorded[path].size, recorded[path].etag) == (size, etag)
    }
    unknown = [path for path in listed if path not in found]
    for path, stored in bucket.heads(unknown).items():
        file = files.get(path)
        if not stored.sha256 and file and file.size == stored.size:
            content = file.read()
            if hashlib.md5(content, usedforsecurity=False).hexdigest() == stored.etag:
                stored = replace(stored, sha256=file.sha256)
        found[path] = stored
    return found


def _drifted(
    listed: Mapping[str, tuple[int, str]], known: Mapping[str, Stored], current: Record | None
) -> tuple[str, ...]:
    if current is None:
        return ()
    other = {path for path in listed if path not in current.files}
    other |= {path for path, one in current.files.items() if path not in known or known[path].sha256 != one.sha256}
    return tuple(sorted(other))


def _pinned(mwaa: Mapping[str, Any], name: str) -> str | None:
    """Return the object version of an environment file that the environment is built from."""
    return mwaa.get(target.PIN_FIELDS[name]) or None


def _differing(
    bucket: Bucket,
    what: Wanted,
    known: Mapping[str, Stored],
    current: Record | None,
    pins: Mapping[str, str],
) -> tuple[str, ...]:
    """Return the environment files whose pinned version has another content than is wanted."""

    def content_of(name: str, version: str) -> str:
        if current and current.pins.get(name) == version and name in current.files:
            return current.files[name].sha256
        if name in known and known[name].version == version:
            return known[name].sha256
        stored = bucket.head(name, version)
        return stored.sha256 if stored else ""

    return tuple(
        name
        for name in contents.ENVIRONMENT_FILES
        if name not in pins or content_of(name, pins[name]) != what.files[name].sha256
    )
