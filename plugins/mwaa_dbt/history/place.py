"""Where history lies: below ``mwaactl/history/`` beside the release, in its bucket. Standard library only.

There: ``results/dt=<day>/<DAG>/<time>-<try>.jsonl``, one object per task try, never overwritten;
``days/dt=<day>/results.jsonl.gz``, a day's results in one object, made from those (days.py);
``sql/<hash>.sql``, compiled SQL by its content. Days are UTC, by the start of the try.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote


@dataclass(frozen=True)
class Place:
    """A bucket and a prefix that ends with a slash."""

    bucket: str
    prefix: str = "mwaactl/history/"

    @classmethod
    def beside(cls, bucket: str, release: str = "") -> Place:
        """Return the place of the history beside the release in `bucket`'s folder `release` (empty: its root)."""
        return cls(bucket, f"{release.strip('/')}/mwaactl/history/".lstrip("/"))

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    @property
    def results(self) -> str:
        """The prefix of all results."""
        return f"{self.prefix}results/"

    @property
    def days(self) -> str:
        """The prefix of the days' objects."""
        return f"{self.prefix}days/"

    @property
    def pointer(self) -> str:
        """The key that says which release the bucket holds: mwaactl/current.json."""
        return f"{self.prefix.rstrip('/').rpartition('/')[0]}/current.json".lstrip("/")

    def result(self, started: datetime, dag_id: str, try_id: str) -> str:
        """Return the key of the results of one task try."""
        moment = started.astimezone(UTC)
        return f"{self.results}dt={moment:%Y-%m-%d}/{quote(dag_id, safe='')}/{moment:%H%M%S}-{try_id}.jsonl"

    def day(self, day: str) -> str:
        """Return the key of the object with all results of `day` (YYYY-MM-DD)."""
        return f"{self.days}dt={day}/results.jsonl.gz"

    def sql(self, digest: str) -> str:
        """Return the key of compiled SQL with this SHA-256."""
        return f"{self.prefix}sql/{digest}.sql"


def day_of(key: str) -> str:
    """Return the day (YYYY-MM-DD) of a result's or a day's key."""
    return key.partition("dt=")[2][:10]
