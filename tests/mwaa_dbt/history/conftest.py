"""A bucket, served by moto over HTTP, and results in it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mwaa_dbt.history.place import Place

from mwaactl.local import aws
from mwaactl.local.layout import REGION
from tests.ports import free_port

FORM = {"select": None, "exclude": None, "full_refresh": False, "target": "dev", "vars": None}


@dataclass
class Store:
    """A bucket of its own with a history in it, and its server, which can go away and come back."""

    port: int
    place: Place
    servers: list[Any]

    @property
    def s3(self) -> Any:
        return aws.client("s3", self.port)

    def keys(self, prefix: str = "") -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.place.bucket, Prefix=self.place.prefix + prefix
        )
        return [entry["Key"] for page in pages for entry in page.get("Contents", ())]

    def body(self, key: str) -> bytes:
        return bytes(self.s3.get_object(Bucket=self.place.bucket, Key=key)["Body"].read())

    def results(self) -> list[dict[str, Any]]:
        return [json.loads(line) for key in self.keys("results/") for line in self.body(key).splitlines()]

    @contextmanager
    def down(self) -> Iterator[None]:
        """S3 can't be reached for a while. What moto holds is the process's, not the server's."""
        self.servers.pop().stop()
        try:
            yield
        finally:
            self.servers.append(aws.start(self.port))


@pytest.fixture(scope="session")
def moto() -> Iterator[tuple[int, list[Any]]]:
    port = free_port()
    servers = [aws.start(port)]
    yield port, servers
    servers.pop().stop()


@pytest.fixture
def store(moto: tuple[int, list[Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Store:
    """An empty history, to which the library's settings point; the spool is this test's."""
    port, servers = moto
    place = Place.beside(f"history-{uuid.uuid4()}")
    for name, value in aws.credentials(port, port).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__BUCKET", place.bucket)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    store = Store(port, place, servers)
    store.s3.create_bucket(Bucket=place.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    return store


def context(task: Any, run_id: str = "r1", try_number: int = 1, **form: Any) -> Any:
    """Return what Airflow hands to a task."""
    ti = SimpleNamespace(
        task=task,
        id=uuid.uuid4(),
        task_id=task.task_id,
        dag_id="compared",
        run_id=run_id,
        try_number=try_number,
        map_index=-1,
        start_date=datetime.now(UTC),
    )
    return {"params": {**FORM, **form}, "run_id": run_id, "ti": ti, "task_instance": ti, "task": task}
