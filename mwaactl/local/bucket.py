"""The project as MWAA's bucket holds it, and its upload."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mwaactl.local.layout import BUCKET
from mwaactl.release import contents as release

_NOT_PUBLIC = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


@dataclass
class Changes:
    """Which objects an upload or a sync wrote and removed."""

    written: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.written or self.removed)


def contents(source: Path) -> dict[str, bytes]:
    """Return what the bucket holds for the project at `source`, by key, in the order of upload.

    Raises Problem when `source` lacks a file that MWAA needs.
    """
    return {path: file.read() for path, file in release.files(source).items()}


def etags(s3: Any, prefix: str) -> dict[str, str]:
    """Return the ETag of each object under `prefix`."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    return {entry["Key"]: entry["ETag"].strip('"') for page in pages for entry in page.get("Contents", ())}


def create(s3: Any) -> None:
    """Create the bucket, versioned and not public as MWAA demands; do nothing when it exists."""
    try:
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name})
    except (s3.exceptions.BucketAlreadyOwnedByYou, s3.exceptions.BucketAlreadyExists):
        return
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration=dict.fromkeys(_NOT_PUBLIC, True))


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
