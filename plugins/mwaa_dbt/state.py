"""The state of production: the manifest of what ran there last, which slim CI compares a pull request with.

In the environment's bucket, beside the release and outside what MWAA syncs::

    mwaactl/current.json                                  {"release": ID, ...}: what was released last
    mwaactl/releases/<ID>.json                            the release's record
    mwaactl/state/<project>/<target>/manifest.json        the state
    mwaactl/state/<project>/<target>/releases/<ID>.json.gz  what the state was after each release

Standard library and a boto3 client only: `mwaactl manifest publish` uses it on a laptop, a DAG's last task on a worker.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

POINTER = "mwaactl/current.json"
RELEASES = "mwaactl/releases/"
_NAME = re.compile(r"[\w.-]+")  # of a project, target or release: no folder of its own


class StateError(Exception):
    """The state can't be read or written; the text says why and what to do."""


@dataclass(frozen=True)
class Place:
    """Where one project's state lies: `bucket`, `prefix` (the release's folder in it), dbt project and target."""

    bucket: str
    project: str
    target: str
    prefix: str = ""

    def __post_init__(self) -> None:
        for name in (self.project, self.target):
            _check(name)

    def key(self, path: str) -> str:
        """Return the key of `path` beside the release."""
        return f"{self.prefix.strip('/')}/{path}".lstrip("/")

    @property
    def manifest(self) -> str:
        """The key of the state."""
        return self.key(f"mwaactl/state/{self.project}/{self.target}/manifest.json")

    def copy(self, release: str) -> str:
        """Return the key of the state as it was after `release`."""
        return self.key(f"mwaactl/state/{self.project}/{self.target}/releases/{_check(release)}.json.gz")


@dataclass(frozen=True)
class State:
    """A state: dbt's manifest.json as it was written, and the release that it belongs to."""

    manifest: bytes
    release: str


@dataclass(frozen=True)
class Published:
    """What `publish` did: `changed` is False when the release's state was there already."""

    release: str
    previous: str | None
    changed: bool


def released(s3: Any, place: Place) -> str | None:
    """Return the id of the release in the bucket, or None when there was none yet.

    Raises:
        StateError: if a release was begun and not finished, or the pointer can't be understood.
    """
    key = place.key(POINTER)
    found = _get(s3, place.bucket, key)
    if found is None:
        return None
    try:
        pointer = json.loads(found["Body"].read())
        release, unfinished = pointer["release"], pointer.get("unfinished")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateError(f"s3://{place.bucket}/{key} names no release: release again.") from error
    if unfinished:
        raise StateError(
            f"The release {unfinished} in s3://{place.bucket} is unfinished: what is there is neither it nor the one "
            "before. Finish it (`mwaactl release apply`), then run."
        )
    return None if release is None else _check(str(release))


def released_at(s3: Any, place: Place, release: str) -> datetime:
    """Return when the files of `release` were all in the bucket: its record is written after them, and again later.

    The pointer says nothing of that: an apply that finds nothing to do writes it, too.

    Raises:
        StateError: if the release has no record.
    """
    key = place.key(f"{RELEASES}{_check(release)}.json")
    found = s3.list_object_versions(Bucket=place.bucket, Prefix=key).get("Versions", ())
    written: list[datetime] = [one["LastModified"] for one in found if one["Key"] == key]
    if not written:
        raise StateError(f"The release {release} has no record s3://{place.bucket}/{key}: release again.")
    return min(written)


def read(s3: Any, place: Place) -> State | None:
    """Return the state of production, or None when none was published yet."""
    found = _get(s3, place.bucket, place.manifest)
    return State(found["Body"].read(), found["Metadata"].get("release", "")) if found else None


def publish(s3: Any, place: Place, manifest: bytes, release: str, run: str = "") -> Published:
    """Make `manifest` the state: what production has, now that a run of `release` has succeeded.

    Args:
        s3: a boto3 client.
        place: whose state it is.
        manifest: dbt's manifest.json of the released project, parsed for the target: its relations are production's.
        release: the release's id.
        run: the DAG run that succeeded, for the record.

    Of two that publish at once, one wins and the other is told; nothing is overwritten unseen.

    Raises:
        StateError: if `manifest` is another project's or no manifest, if `release` isn't what is released (any more),
            or if somebody else published meanwhile.
    """
    _check_manifest(manifest, place)
    digest = hashlib.sha256(manifest).hexdigest()
    before = _head(s3, place)
    metadata = before["Metadata"] if before else {}
    previous = metadata.get("release")
    unchanged = previous == release and metadata.get("sha256") == digest
    if not unchanged:
        body = gzip.compress(manifest, mtime=0)
        s3.put_object(Bucket=place.bucket, Key=place.copy(release), Body=body, ContentType="application/gzip")
    # As late as can be: what happens between this look and the write, the condition on the write notices.
    current = released(s3, place)
    if current != release:
        raise StateError(
            f"The run was of release {release}, but {current or 'no release'} is in s3://{place.bucket} now: "
            "the state stays as it is until a run of that one has succeeded."
        )
    if unchanged:
        return Published(release, previous, changed=False)
    condition = {"IfMatch": before["ETag"]} if before else {"IfNoneMatch": "*"}
    try:
        s3.put_object(
            Bucket=place.bucket,
            Key=place.manifest,
            Body=manifest,
            ContentType="application/json",
            Metadata={"release": release, "sha256": digest, "run": run.encode("ascii", "replace").decode()[:1024]},
            **condition,
        )
    except s3.exceptions.ClientError as error:
        if _status(error) in (404, 409, 412):  # 404: IfMatch, and the object is gone
            raise StateError(
                f"Somebody else published s3://{place.bucket}/{place.manifest} meanwhile: look at it, then try again."
            ) from error
        raise
    return Published(release, previous, changed=True)


def _check(name: str) -> str:
    if not _NAME.fullmatch(name) or name.startswith("."):
        raise StateError(f"{name!r} can't be the name of a project, target or release: letters, digits, _ . - only.")
    return name


def _check_manifest(manifest: bytes, place: Place) -> None:
    try:
        content = json.loads(manifest)
        name = content["metadata"]["project_name"]
        content["nodes"], content["macros"]
    except (ValueError, KeyError, TypeError) as error:
        raise StateError("This is no manifest.json of dbt (a render manifest is none, either).") from error
    if name != place.project:
        raise StateError(f"This manifest is of the dbt project {name!r}, not {place.project!r}.")


def _get(s3: Any, bucket: str, key: str) -> Any:
    try:
        return s3.get_object(Bucket=bucket, Key=key)
    except s3.exceptions.NoSuchKey:
        return None


def _head(s3: Any, place: Place) -> Any:
    try:
        return s3.head_object(Bucket=place.bucket, Key=place.manifest)
    except s3.exceptions.ClientError as error:
        if _status(error) == 404:
            return None
        raise


def _status(error: Any) -> int:
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
