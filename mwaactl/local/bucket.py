"""The bucket of the local environment. What is in it comes by a release, but for the demo's raw data."""

from dataclasses import dataclass, field
from typing import Any

from mwaactl.local.layout import BUCKET

_NOT_PUBLIC = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


@dataclass
class Changes:
    """Which files a sync wrote and removed."""

    written: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.written or self.removed)


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
