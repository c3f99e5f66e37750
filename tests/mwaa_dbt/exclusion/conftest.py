"""A bucket (moto), and the task context of a run of which Airflow's answers can be set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

BUCKET = "landing"


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """The address of S3."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty bucket, set as the environment's."""
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AIRFLOW__MWAA_DBT__BUCKET": BUCKET,
        "AIRFLOW__MWAA_DBT__BUCKET_PREFIX": "team",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket=BUCKET)
    for entry in client.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
        client.delete_object(Bucket=BUCKET, Key=entry["Key"])
    return client


@dataclass
class Airflow:
    """What Airflow says about runs and their tasks; XComs by run and key."""

    running: set[tuple[str, str]] = field(default_factory=set)
    busy: set[tuple[str, str]] = field(default_factory=set)
    paused: set[str] = field(default_factory=set)
    away: bool = False
    xcoms: dict[tuple[str, str, str], Any] = field(default_factory=dict)

    def context(
        self, dag_id: str, run_id: str = "r", cleared: int = 0, since: datetime | None = None
    ) -> dict[str, Any]:
        """Return the context of a task of a run that runs; `since`: when it was rescheduled first."""

        def count(known: set[tuple[str, str]]) -> Callable[..., int]:
            def counted(dag_id: str, run_ids: list[str], states: list[str]) -> int:
                assert "running" in states
                if self.away:
                    raise RuntimeError("the API server is away")
                return sum((dag_id, one) in known for one in run_ids)

            return counted

        run = (dag_id, run_id)
        self.running.add(run)
        ti = SimpleNamespace(
            get_dr_count=count(self.running),
            get_ti_count=count(self.busy),
            get_dag=lambda dag_id: SimpleNamespace(is_paused=dag_id in self.paused),
            get_first_reschedule_date=lambda _: since,
            xcom_push=lambda key, value: self.xcoms.__setitem__((*run, key), value),
            xcom_pull=lambda task_ids, key, map_indexes: self.xcoms.get((*run, key)),
        )
        start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=cleared)
        dag_run = SimpleNamespace(dag_id=dag_id, run_id=run_id, start_date=start, clear_number=cleared)
        return {"ti": ti, "dag_run": dag_run}


@pytest.fixture
def airflow() -> Airflow:
    """An Airflow in which nothing runs."""
    return Airflow()
