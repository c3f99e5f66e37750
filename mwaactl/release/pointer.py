"""The pointer, mwaactl/current.json: which release the bucket holds, and who is changing that now.

Every change of it is a conditional write (If-Match), so that of two that begin at once one is told so before it has
written anything else.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from mwaactl.environments import Environment
from mwaactl.local.state import process
from mwaactl.release import calls

PATH = "mwaactl/current.json"
#: A lease that wasn't renewed for so long is over: whoever held it was killed.
LEASE_SECONDS = 90.0


class Changed(Exception):
    """Somebody else wrote the pointer since it was read."""


@dataclass(frozen=True)
class State:
    """The pointer as it was read.

    `release` is the release that is in force. `unfinished` is one whose files were being written when its apply ended.
    `lease` says who is changing the bucket. `age` are the seconds since the pointer was last written, by S3's clock.
    `etag` is None when there is no pointer yet.
    """

    release: str | None = None
    unfinished: str | None = None
    lease: dict[str, Any] | None = None
    age: float = 0.0
    etag: str | None = None

    @property
    def held(self) -> bool:
        """Whether somebody is changing the bucket now."""
        return self.lease is not None and self.age < LEASE_SECONDS and not _left_behind(self.lease)

    def holder(self) -> str:
        """Return who holds the lease, in words."""
        lease = self.lease or {}
        return (
            f"{lease.get('action', 'apply')} of {lease.get('release')} by {lease.get('who')} since {lease.get('since')}"
        )


def this_machine() -> str:
    """Return what tells this machine's process ids from those of another machine or container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _left_behind(lease: dict[str, Any]) -> bool:
    """Whether the lease's process ran on this machine and is gone, so that nobody need wait for the lease's end."""
    here = this_machine()
    return bool(here) and lease.get("machine") == here and process(lease.get("pid"), lease.get("started")) is None


def read(s3: Any, environment: Environment) -> State:
    """Return the pointer as it is now."""
    key = environment.key(PATH)
    try:
        with calls.calling(environment, "s3", key):
            answer = s3.get_object(Bucket=environment.bucket, Key=key)
            content = json.loads(answer["Body"].read())
    except ClientError as error:
        if calls.code(error) not in calls.MISSING:
            raise
        return State()
    stamp = answer["ResponseMetadata"].get("HTTPHeaders", {}).get("date")
    at = parsedate_to_datetime(stamp) if stamp else datetime.now(UTC)
    return State(
        release=content.get("release"),
        unfinished=content.get("unfinished"),
        lease=content.get("lease"),
        age=(at - answer["LastModified"]).total_seconds(),
        etag=answer["ETag"],
    )


def write(s3: Any, environment: Environment, before: State, after: State) -> State:
    """Write `after` in place of `before` and return it with its ETag. Raises Changed when `before` isn't there."""
    key = environment.key(PATH)
    body = json.dumps(
        {"release": after.release, "unfinished": after.unfinished, "lease": after.lease}, indent=1
    ).encode()
    condition = {"IfMatch": before.etag} if before.etag else {"IfNoneMatch": "*"}
    try:
        with calls.calling(environment, "s3", key):
            answer = s3.put_object(
                Bucket=environment.bucket, Key=key, Body=body, ContentType="application/json", **condition
            )
    except ClientError as error:
        if calls.code(error) not in calls.CONFLICT | calls.MISSING:
            raise
        there = read(s3, environment)
        if (there.release, there.unfinished, there.lease) != (after.release, after.unfinished, after.lease):
            raise Changed from error
        return there  # our own write, whose answer was lost and which was then repeated
    return State(after.release, after.unfinished, after.lease, etag=answer["ETag"])
