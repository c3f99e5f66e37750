"""S3 in few milliseconds: one object written or read by a signed request of botocore's.

A boto3 client costs a task 0.2 s of CPU, nearly all of it for reading the descriptions of operations that nobody calls.
Here botocore finds the credentials, signs and sends; what is left is the address (S3 User Guide, "Virtual hosting").
"""

from __future__ import annotations

import base64
import hashlib
import logging
import os
from typing import Any
from urllib.parse import quote

_PARTITIONS = (("cn-", "amazonaws.com.cn"), ("us-iso-", "c2s.ic.gov"), ("us-isob-", "sc2s.sgov.gov"))


class UnwrittenError(Exception):
    """The object could not be written or read; the text says why.

    `passing`: another object would fare no better; `status`: what S3 answered, 0 where it wasn't reached.
    """

    def __init__(self, text: str, *, passing: bool = True, status: int = 0) -> None:
        super().__init__(text)
        self.passing = passing
        self.status = status


class Bucket:
    """One bucket, with the worker's credentials. Importing botocore and finding them takes its time: make it early.

    Raises:
        UnwrittenError: if there are no credentials.
    """

    def __init__(self, name: str, timeout: tuple[float, float] = (2.0, 5.0)) -> None:
        import botocore.session
        from botocore.httpsession import URLLib3Session
        from botocore.utils import get_environ_proxies

        self._region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        self.url = address(name, self._region, endpoint())
        # It would tell every task's log where it found them.
        logging.getLogger("botocore.credentials").setLevel(logging.WARNING)
        session = botocore.session.Session()
        self._credentials = session.get_credentials()
        if self._credentials is None:
            raise UnwrittenError("no AWS credentials were found")
        self._http = URLLib3Session(
            proxies=get_environ_proxies(self.url), timeout=timeout, verify=os.environ.get("AWS_CA_BUNDLE") or True
        )

    def put(self, key: str, body: bytes, content_type: str) -> bool:
        """Write an object that isn't there yet; return False if it is.

        Raises:
            UnwrittenError: if S3 can't be reached or refuses.
        """
        checksum = base64.b64encode(hashlib.sha256(body).digest()).decode()
        headers = {"If-None-Match": "*", "Content-Type": content_type, "x-amz-checksum-sha256": checksum}
        status, answer = self._send("PUT", key, headers, body)
        if status == 412:
            return False
        if status != 200:
            raise UnwrittenError(_words(status, answer), passing=status != 400, status=status)
        return True

    def get(self, key: str) -> bytes | None:
        """Return an object's content, None if there is none.

        Raises:
            UnwrittenError: if S3 can't be reached or refuses.
        """
        status, answer = self._send("GET", key, {}, b"")
        if status == 404:
            return None
        if status != 200:
            raise UnwrittenError(_words(status, answer), status=status)
        return answer

    def _send(self, method: str, key: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.exceptions import BotoCoreError, HTTPClientError

        request = AWSRequest(method, f"{self.url}/{quote(key)}", headers=headers, data=body)
        try:
            S3SigV4Auth(self._credentials.get_frozen_credentials(), "s3", self._region).add_auth(request)
            response = self._http.send(request.prepare())
            return response.status_code, response.content
        except (BotoCoreError, HTTPClientError, OSError) as error:
            raise UnwrittenError(str(error)) from error


def endpoint() -> str:
    """Return the URL that stands in for AWS's, as all of AWS's clients read it; empty for AWS itself."""
    return (os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or "").rstrip("/")


def address(bucket: str, region: str, instead: str = "") -> str:
    """Return the URL of `bucket`, without a slash at its end."""
    if instead:
        return f"{instead}/{bucket}"
    domain = next((domain for start, domain in _PARTITIONS if region.startswith(start)), "amazonaws.com")
    host = f"s3.{region}.{domain}"
    # The certificate's wildcard covers no dot.
    return f"https://{host}/{bucket}" if "." in bucket else f"https://{bucket}.{host}"


def client() -> Any:
    """Return a client of boto3's for those who read much, with this container's credentials."""
    import boto3
    from botocore.config import Config

    style = {"addressing_style": "path"} if endpoint() else None
    return boto3.client("s3", config=Config(retries={"mode": "standard"}, s3=style, max_pool_connections=32))


def _words(status: int, answer: bytes) -> str:
    def between(tag: str) -> str:
        return answer.decode(errors="replace").partition(f"<{tag}>")[2].partition("</")[0]

    said: list[Any] = [f"S3 answered {status}", between("Code"), between("Message")]
    return ": ".join(str(word) for word in said if word)
