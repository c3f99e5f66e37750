"""A lock's lease in the bucket, written on condition that nobody wrote meanwhile."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mwaa_dbt import settings
from mwaa_dbt.errors import ConfigurationError
from mwaa_dbt.exclusion.lease import Lease

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}", re.ASCII)
#: What another try won't mend: the bucket or the role is wrong.
_WRONG = ("AccessDenied", "NoSuchBucket", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403", "401")
#: Somebody else wrote between our reading and writing (412), or is writing now (409); 404: the lease was deleted.
_LOST = (404, 409, 412)


def check_name(lock: str) -> str:
    """Return the name of a lock.

    Raises:
        ConfigurationError: if it can't be part of a key in the bucket.
    """
    if not isinstance(lock, str) or not _NAME.fullmatch(lock):
        raise ConfigurationError(f"{lock!r} can't be the name of a lock: letters, digits, _ . - only, up to 100.")
    return lock


@dataclass(frozen=True)
class Read:
    """A lease as it was read, and the ETag that a write is conditioned on (None: there is no lease yet)."""

    lease: Lease
    etag: str | None


class Store:
    """The lease of `lock` at s3://<bucket>/<prefix>/mwaactl/locks/<lock>.json.

    Network trouble goes through as botocore's own exceptions: it passes by.
    """

    def __init__(self, lock: str) -> None:
        self.bucket = settings.bucket()
        self.key = f"{settings.bucket_prefix()}/mwaactl/locks/{check_name(lock)}.json".lstrip("/")
        self._s3 = _client()

    @property
    def url(self) -> str:
        """The lease's address."""
        return f"s3://{self.bucket}/{self.key}"

    def read(self) -> Read:
        """Return the lease as it is now.

        Raises:
            ConfigurationError: if it can't be understood, or the bucket can't be used.
        """
        from botocore.exceptions import ClientError

        try:
            found = self._s3.get_object(Bucket=self.bucket, Key=self.key)
            content, etag = found["Body"].read(), found["ETag"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return Read(Lease(), None)
            raise self._explained(error) from error
        try:
            return Read(Lease.loads(content), etag)
        except ValueError as error:
            raise ConfigurationError(
                f"{self.url} is no lease: somebody else wrote it. Delete it while none of the DAGs of this lock works."
            ) from error

    def write(self, lease: Lease, read: Read) -> bool:
        """Replace what was `read` by `lease`; return False if somebody else wrote since.

        Raises:
            ConfigurationError: if the bucket can't be used.
        """
        from botocore.exceptions import ClientError

        condition = {"IfMatch": read.etag} if read.etag else {"IfNoneMatch": "*"}
        try:
            self._s3.put_object(
                Bucket=self.bucket, Key=self.key, Body=lease.dumps(), ContentType="application/json", **condition
            )
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in _LOST and not _is_wrong(error):
                return False
            raise self._explained(error) from error
        return True

    def _explained(self, error: ClientError) -> Exception:
        if not _is_wrong(error):
            return error
        return ConfigurationError(
            f"{self.url} can't be used: {error}. The tasks' role needs s3:GetObject, s3:PutObject and s3:ListBucket "
            "there; [mwaa_dbt] bucket and bucket_prefix name the place."
        )


def _is_wrong(error: ClientError) -> bool:
    return error.response["Error"]["Code"] in _WRONG


def _client() -> Any:
    import boto3
    from botocore.config import Config

    # A look that takes longer is made again later: it mustn't hold a slot for minutes. (boto3 and not S3Hook, which
    # would look through all providers first.)
    retries: Any = {"mode": "standard", "max_attempts": 2}
    return boto3.client("s3", config=Config(connect_timeout=5, read_timeout=10, retries=retries))
