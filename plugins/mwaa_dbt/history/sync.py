"""Brings an index up to date with the bucket: what is new since the last time, newest day first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mwaa_dbt.history import days
from mwaa_dbt.history.index import Index
from mwaa_dbt.history.place import Place

Told = Callable[[str], None]


def sync(s3: Any, place: Place, index: Index, told: Told = lambda _: None) -> int:
    """Add to `index` what the bucket has and it hasn't; return how many results that were.

    `told` hears which day is being read. Errors of botocore are the caller's.
    """
    added = 0
    gathered = days.gathered(s3, place)
    loose = days.open_days(s3, place, gathered)
    held = index.etags()
    for day in sorted({*loose, *gathered}, reverse=True):
        if day in gathered and held.get(day) != gathered[day].etag:
            told(day)
            lines, etag = days.read_day(s3, place, day)
            added += index.add(lines, day, etag)
        if day in loose and (keys := index.missing(days.keys_of(s3, place, day))):
            told(f"{day}, {len(keys)} tries")
            added += index.add(b"\n".join(days.bodies(s3, place, keys)))
    return added
