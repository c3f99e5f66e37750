"""What the processes of a run leave to each other, in the environment's bucket.

    alerts/outbox/<dag>/<run>/<kind>/...   what has not been told yet
    alerts/runs/<dag>/<run>.json           what has been told of a run, and who is telling now
    alerts/state/<dag>.json                what failed when a run of the DAG ended last

Conditional writes (If-Match, If-None-Match) make one process the teller of a run; S3 reads what was written last.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

from mwaa_dbt import settings
from mwaa_dbt.alerts.event import RunKey, short_hash
from mwaa_dbt.errors import MwaaDbtError

#: A teller saves after every message and so renews its claim; one that hasn't for this long is gone.
LEASE_SECONDS = 120
_CONFLICTS = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")
_MISSING = ("NoSuchKey", "404")


class StoreError(MwaaDbtError):
    """The bucket can't be read or written."""


class Conflict(StoreError):
    """Another process has written the object in between."""


@dataclass
class Pending:
    """An object of the outbox."""

    key: str
    kind: str
    fields: dict[str, Any]


class Store:
    """The folder `alerts/` of the library's own objects in `bucket`, below `prefix` (ends in a slash, or is empty)."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self.bucket = bucket
        self.prefix = f"{prefix}alerts/"

    @classmethod
    def of_settings(cls) -> Store | None:
        """Return the environment's store; None where no bucket is set."""
        if not settings.has_bucket():
            return None
        folder = settings.bucket_prefix()
        return cls(settings.bucket(), f"{folder}/mwaactl/" if folder else "mwaactl/")

    @cached_property
    def _s3(self) -> Any:
        # Not S3Hook: the bucket is the environment's own, and its execution role's business.
        import boto3
        from botocore.config import Config

        config = Config(connect_timeout=5, read_timeout=10, retries={"max_attempts": 3, "mode": "standard"})
        return boto3.client("s3", config=config)

    def _call(self, method: str, **arguments: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(self._s3, method)(Bucket=self.bucket, **arguments)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code"))
            if code in _MISSING and method == "get_object":
                return None
            text = f"s3://{self.bucket}/{arguments.get('Key') or arguments.get('Prefix') or self.prefix}: {error}"
            raise (Conflict if code in _CONFLICTS or code in _MISSING else StoreError)(text) from error
        except BotoCoreError as error:
            raise StoreError(f"s3://{self.bucket}/{self.prefix}: {error}") from error

    # --- objects ---

    def read(self, key: str) -> tuple[dict[str, Any], str]:
        """Return the JSON object at `key` (below the prefix) and its ETag; ``({}, "")`` where there is none."""
        answer = self._call("get_object", Key=self.prefix + key)
        if answer is None:
            return {}, ""
        try:
            content = json.loads(answer["Body"].read())
        except ValueError:
            content = {}  # nobody's: overwritten with the next write
        return content if isinstance(content, dict) else {}, answer["ETag"]

    def write(self, key: str, content: dict[str, Any], etag: str | None) -> str:
        """Write `content` if the object still is the one with `etag` (empty: isn't there; None: whatever is there).

        Returns the new ETag. Raises Conflict if it isn't.
        """
        condition = {} if etag is None else {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        body = json.dumps(content).encode()
        answer = self._call("put_object", Key=self.prefix + key, Body=body, ContentType="application/json", **condition)
        return str(answer["ETag"])

    def delete(self, keys: Iterable[str]) -> None:
        """Delete the objects at `keys`. Raises StoreError if one of them stays."""
        names = [{"Key": self.prefix + key} for key in keys]
        for first in range(0, len(names), 1000):
            answer = self._call("delete_objects", Delete={"Objects": names[first : first + 1000], "Quiet": True})
            for left in answer.get("Errors", ()):  # refused one by one, in an answer that is none of an error
                raise StoreError(f"s3://{self.bucket}/{left.get('Key')} can't be deleted: {left.get('Message')}")

    def _list(self, prefix: str) -> list[str]:
        keys: list[str] = []
        more: dict[str, str] = {}
        while True:
            page = self._call("list_objects_v2", Prefix=self.prefix + prefix, **more)
            keys += [entry["Key"].removeprefix(self.prefix) for entry in page.get("Contents", ())]
            if not page.get("IsTruncated"):
                return keys
            more = {"ContinuationToken": page["NextContinuationToken"]}

    # --- outbox ---

    def put(self, run: RunKey, kind: str, name: str, fields: dict[str, Any]) -> None:
        """Leave something to be told: `fields` under `kind`; the same `name` again takes its place in time."""
        key = f"outbox/{run.path}/{kind}/{time.time_ns() // 1_000_000:014d}-{short_hash(name)}.json"
        self.write(key, fields, None)

    def pending(self, run: RunKey, *kinds: str) -> list[Pending]:
        """Return what is to be told of `run`, of one of `kinds`, in the order of kinds, oldest first."""
        keys = [key for kind in kinds for key in self._list(f"outbox/{run.path}/{kind}/")]
        with ThreadPoolExecutor(8) as pool:
            contents = list(pool.map(lambda key: self.read(key)[0], keys))
        return [
            Pending(key, key.rsplit("/", 2)[1], fields)
            for key, fields in zip(keys, contents, strict=True)
            if fields  # told and deleted meanwhile
        ]

    def waiting_runs(self, *kinds: str) -> dict[str, str]:
        """Return the runs of which something of one of `kinds` is to be told: path of the run to one of its keys."""
        found: dict[str, str] = {}
        for key in self._list("outbox/"):
            run, kind, _ = key.removeprefix("outbox/").rsplit("/", 2)
            if kind in kinds:
                found.setdefault(run, key)
        return found

    # --- who tells ---

    def claim(self, run: RunKey) -> Claim | None:
        """Return the right to tell of `run`, or None while another process has it."""
        key = f"runs/{run.path}.json"
        doc, etag = self.read(key)
        if (doc.get("lease") or {}).get("until", 0) > time.time():
            return None
        claim = Claim(run, doc, self, key, etag)
        try:
            claim.save()
        except Conflict:
            return None
        return claim

    def told(self, run: RunKey) -> dict[str, Any]:
        """Return what has been told of `run` (see Claim.doc)."""
        return self.read(f"runs/{run.path}.json")[0]

    # --- what failed last ---

    def failing(self, dag_id: str) -> tuple[dict[str, Any], str]:
        """Return what failed when a run of the DAG ended last (see state.py), and its ETag."""
        return self.read(self._state_key(dag_id))

    def keep_failing(self, dag_id: str, state: dict[str, Any], etag: str) -> None:
        """Write what `failing` reads. Raises Conflict if it has changed since."""
        self.write(self._state_key(dag_id), state, etag)

    def _state_key(self, dag_id: str) -> str:
        return f"state/{quote(dag_id, safe='')[:300]}.json"


class Claim:
    """The right to tell of one run, and what has been told of it (`doc`), which `save` keeps.

    Without a store, nothing is kept: each alert is told by itself.
    """

    def __init__(
        self, run: RunKey, doc: dict[str, Any], store: Store | None = None, key: str = "", etag: str = ""
    ) -> None:
        self.run = run
        self.doc = doc
        self.store = store
        self._key, self._etag = key, etag
        self._holder = uuid.uuid4().hex

    @property
    def kept(self) -> bool:
        """Whether what is told now can be found later."""
        return self.store is not None

    def save(self) -> None:
        """Keep `doc` and the claim. Raises Conflict if another process has taken over."""
        self._write({"holder": self._holder, "until": time.time() + LEASE_SECONDS})

    def release(self) -> None:
        """Keep `doc` and give up the claim."""
        self._write(None)

    def _write(self, lease: dict[str, Any] | None) -> None:
        self.doc["lease"] = lease
        if self.store is not None:
            doc = {"dag_id": self.run.dag_id, "run_id": self.run.run_id, **self.doc}
            self._etag = self.store.write(self._key, doc, self._etag)
