"""Reading history from the bucket, and a day's results gathered in one object, so that years can be read.

One object per task try is safe to write and slow to read. The object of a day is made from those; it may be made
again at any time, holds no more than they do, and knows which of them it holds (field ``key``).
"""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from mwaa_dbt.history.place import Place, day_of

log = logging.getLogger(__name__)

#: How many days back a result may still come that waited on its worker.
LATE_DAYS = 7
_THREADS = 16


@dataclass(frozen=True)
class Gathered:
    """A day's object: the day, the object's ETag, and when it was written last."""

    day: str
    etag: str
    written: datetime

    @property
    def complete(self) -> bool:
        """Whether it was written when no more results of the day were to come: it is never looked at again."""
        return self.written.astimezone(UTC).date() >= date.fromisoformat(self.day) + timedelta(days=LATE_DAYS)


def recent(now: datetime | None = None) -> list[str]:
    """Return the days to which results may still be added, newest first."""
    today = (now or datetime.now(UTC)).astimezone(UTC).date() + timedelta(days=1)  # clocks differ
    return [str(today - timedelta(days=back)) for back in range(LATE_DAYS + 1)]


def keys_of(s3: Any, place: Place, day: str) -> list[str]:
    """Return the keys of the results of `day`."""
    return [entry["Key"] for entry in _listed(s3, place, f"{place.results}dt={day}/")]


def gathered(s3: Any, place: Place) -> dict[str, Gathered]:
    """Return what there is of each day's object, by day."""
    entries = _listed(s3, place, place.days)
    found = (Gathered(day_of(entry["Key"]), entry["ETag"], entry["LastModified"]) for entry in entries)
    return {one.day: one for one in found}


def open_days(s3: Any, place: Place, done: Mapping[str, Gathered]) -> list[str]:
    """Return the days, oldest first, whose objects (`done`) may lack results: not gathered, or too early to have all.

    That includes days of which nothing came late: a pause of the gathering can't be told from such.
    """
    late = set(recent())
    return [day for day in days_with_results(s3, place) if day in late or day not in done or not done[day].complete]


def days_with_results(s3: Any, place: Place) -> list[str]:
    """Return the days that have results, oldest first."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=place.results, Delimiter="/")
    return sorted(day_of(entry["Prefix"]) for page in pages for entry in page.get("CommonPrefixes", ()))


def bodies(s3: Any, place: Place, keys: Iterable[str]) -> Iterator[bytes]:
    """Yield the contents of the objects `keys`, in their order, several of which are read at once."""

    def body(key: str) -> bytes:
        return bytes(s3.get_object(Bucket=place.bucket, Key=key)["Body"].read())

    with ThreadPoolExecutor(_THREADS) as pool:
        yield from pool.map(body, keys)


def read_day(s3: Any, place: Place, day: str) -> tuple[bytes, str]:
    """Return the lines of the day's object and its ETag; nothing, and an empty ETag, where there is none."""
    try:
        answer = s3.get_object(Bucket=place.bucket, Key=place.day(day))
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
            return b"", ""
        raise
    return gzip.decompress(answer["Body"].read()), answer["ETag"]


def gather(s3: Any, place: Place, day: str, close: bool = False) -> int:
    """Bring the object of `day` up to date; return how many tries were added.

    Nothing is done when somebody else writes it at the same time, or when it holds all already; but with `close` it is
    then written again, so that its date says that it is complete.
    """
    keys = keys_of(s3, place, day)
    if not keys:
        return 0
    lines, etag = read_day(s3, place, day)
    held = {json.loads(line)["key"] for line in lines.splitlines()}
    missing = [key for key in keys if key not in held]
    if not missing and not close:
        return 0
    found = {key: body for key, body in zip(missing, bodies(s3, place, missing), strict=True) if _is_ours(key, body)}
    if not found and not close:
        return 0
    content = lines + b"".join(found.values())
    condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
    try:
        s3.put_object(
            Bucket=place.bucket,
            Key=place.day(day),
            Body=gzip.compress(content, 6, mtime=0),
            ContentType="application/gzip",
            **condition,
        )
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("PreconditionFailed", "ConditionalRequestConflict"):
            raise
        log.info("History: %s is being gathered by somebody else.", day)
        return 0
    return len(found)


def gather_all(s3: Any, place: Place) -> dict[str, int]:
    """Gather the days whose objects may lack results; return how many tries were added, by day."""
    late = set(recent())
    days = open_days(s3, place, gathered(s3, place))
    return {day: added for day in days if (added := gather(s3, place, day, close=day not in late))}


def _is_ours(key: str, body: bytes) -> bool:
    try:
        ours = body.endswith(b"\n") and {json.loads(line)["key"] for line in body.splitlines()} == {key}
    except (ValueError, KeyError, TypeError):
        ours = False
    if not ours:
        log.warning("History: %s is no result of ours; it is left out.", key)
    return ours


def _listed(s3: Any, place: Place, prefix: str) -> Iterator[dict[str, Any]]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=prefix)
    for page in pages:
        yield from page.get("Contents", ())
