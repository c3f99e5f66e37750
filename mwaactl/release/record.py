"""Release records: what each release consists of, for good. One object each, below mwaactl/releases/."""

import dataclasses
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from mwaactl.environments import Environment
from mwaactl.errors import Problem
from mwaactl.release import calls
from mwaactl.release.objects import Stored

FORMAT = 1
FOLDER = "mwaactl/releases/"


@dataclass(frozen=True)
class Record:
    """One release of one environment.

    `files` are by path below the environment's prefix. `pins` are the object versions that the environment is built
    from, by file; `options` its configuration options. `dags` are the DAGs with the file each is in. `restores` names
    the release that this one brought back. `since` is the moment from which on every container has the files: what
    Airflow parsed before says nothing about them. Times are ISO 8601, UTC.
    """

    release: str
    environment: str
    created: str
    who: str
    files: Mapping[str, Stored]
    pins: Mapping[str, str]
    options: Mapping[str, str]
    airflow: str = ""
    dags: Mapping[str, str] = field(default_factory=dict)
    commit: str | None = None
    dirty: bool = False
    previous: str | None = None
    restores: str | None = None
    changed: Mapping[str, int] = field(default_factory=dict)
    verified: Mapping[str, Any] | None = None
    since: str | None = None


def new_id(content: str) -> str:
    """Return the id of a release that begins now, from its content's fingerprint: ids sort by time."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{content[:8]}-{secrets.token_hex(2)}"


def now() -> str:
    """Return this moment as records write it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def in_seconds(seconds: float) -> str:
    """Return the moment in `seconds` from now, exactly, as `since` of a record."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def key(environment: Environment, release: str) -> str:
    """Return the key of a release's record."""
    return environment.key(f"{FOLDER}{release}.json")


def write(s3: Any, environment: Environment, record: Record) -> None:
    """Write a release's record."""
    where = key(environment, record.release)
    body = json.dumps({"format": FORMAT, **dataclasses.asdict(record)}, indent=1).encode()
    with calls.calling(environment, "s3", where):
        s3.put_object(Bucket=environment.bucket, Key=where, Body=body, ContentType="application/json")


def read(s3: Any, environment: Environment, release: str) -> Record:
    """Return the record of `release`. Raises Problem when there is none, or when it was written by a newer mwaactl."""
    where = key(environment, release)
    try:
        with calls.calling(environment, "s3", where):
            content = json.loads(s3.get_object(Bucket=environment.bucket, Key=where)["Body"].read())
    except ClientError as error:
        if calls.code(error) not in calls.MISSING:
            raise
        raise Problem(
            f"There is no release {release} in s3://{environment.bucket}/{environment.key(FOLDER)}.",
            f"Choose one of `mwaactl release history -e {environment.name}`.",
        ) from error
    except ValueError as error:
        raise Problem(f"s3://{environment.bucket}/{where} is damaged: {error}", "Restore its last version.") from error
    if content.pop("format", None) != FORMAT:
        raise Problem(f"s3://{environment.bucket}/{where} is of another format.", "Use the mwaactl that wrote it.")
    known = {one.name for one in dataclasses.fields(Record)}
    content["files"] = {path: Stored(**stored) for path, stored in content["files"].items()}
    return Record(**{name: value for name, value in content.items() if name in known})
