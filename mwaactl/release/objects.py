"""Objects of an environment's bucket: listed, read, written and removed, each with its checksum."""

import base64
import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from mwaactl.environments import Environment
from mwaactl.errors import Problem
from mwaactl.release import calls
from mwaactl.release.contents import DAGS, ENVIRONMENT_FILES

AT_ONCE = 8  # transfers at the same time; botocore keeps 10 connections


@dataclass(frozen=True)
class Stored:
    """An object version: size in bytes, SHA-256 in hexadecimal ("" if unknown), S3's version id and ETag."""

    size: int
    sha256: str
    version: str
    etag: str


class Bucket:
    """The objects of one environment's releases, by path below its prefix."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.s3: Any = environment.client("s3")

    def listed(self) -> dict[str, tuple[int, str]]:
        """Return size and ETag of each object that is a release's: all of dags/, and the environment files."""
        found: dict[str, tuple[int, str]] = {}
        # plugins.zip, requirements.txt and startup.sh lie beside other things (raw data), so each is asked for.
        for prefix in (DAGS, *ENVIRONMENT_FILES):
            key = self.environment.key(prefix)
            with calls.calling(self.environment, "s3", ""):
                pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.environment.bucket, Prefix=key)
                entries = [entry for page in pages for entry in page.get("Contents", ())]
            for entry in entries:
                path = prefix + entry["Key"][len(key) :]
                if not path.endswith("/") and (prefix == DAGS or path == prefix):
                    found[path] = (entry["Size"], entry["ETag"].strip('"'))
        return found

    def head(self, path: str, version: str | None = None) -> Stored | None:
        """Return what S3 knows of an object, of its `version` if given; None when there is none."""
        key = self.environment.key(path)
        which = {"VersionId": version} if version else {}
        try:
            with calls.calling(self.environment, "s3", key, "GetObjectVersion" if version else ""):
                answer = self.s3.head_object(Bucket=self.environment.bucket, Key=key, ChecksumMode="ENABLED", **which)
        except ClientError as error:
            if calls.code(error) in calls.MISSING or (version and calls.code(error) in ("400", "InvalidArgument")):
                return None
            raise
        checksum = answer.get("ChecksumSHA256", "")
        # The checksum of an upload in parts ("...-3") is not that of the content.
        sha256 = base64.b64decode(checksum).hex() if checksum and "-" not in checksum else ""
        return Stored(answer["ContentLength"], sha256, answer.get("VersionId", "null"), answer["ETag"].strip('"'))

    def get(self, path: str, version: str | None = None) -> bytes:
        """Return an object's content. Raises Problem when it is gone."""
        key = self.environment.key(path)
        which = {"VersionId": version} if version else {}
        try:
            with calls.calling(self.environment, "s3", key, "GetObjectVersion" if version else ""):
                content: bytes = self.s3.get_object(Bucket=self.environment.bucket, Key=key, **which)["Body"].read()
        except ClientError as error:
            if calls.code(error) not in calls.MISSING:
                raise
            raise Problem(f"s3://{self.environment.bucket}/{key} is gone (version {version or 'now'}).") from error
        return content

    def put(self, path: str, content: bytes) -> Stored:
        """Write an object and return its version. S3 itself compares what arrived with its SHA-256."""
        key = self.environment.key(path)
        digest = hashlib.sha256(content)
        with calls.calling(self.environment, "s3", key):
            answer = self.s3.put_object(
                Bucket=self.environment.bucket,
                Key=key,
                Body=content,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=base64.b64encode(digest.digest()).decode(),
            )
        return Stored(len(content), digest.hexdigest(), answer["VersionId"], answer["ETag"].strip('"'))

    def remove(self, path: str) -> None:
        """Remove an object; its versions stay."""
        key = self.environment.key(path)
        with calls.calling(self.environment, "s3", key):
            self.s3.delete_object(Bucket=self.environment.bucket, Key=key)

    def heads(self, paths: Iterable[str]) -> dict[str, Stored]:
        """Return what S3 knows of each object that is there."""
        wanted = list(paths)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = dict(zip(wanted, pool.map(self.head, wanted), strict=True))
        return {path: stored for path, stored in found.items() if stored}
