"""After a run of everything in production: docs and state in the bucket, made by the real dbt."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import duckdb
import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSkipException
from moto.server import ThreadedMotoServer
from mwaa_dbt import DbtProject, settings, state
from mwaa_dbt.errors import ConfigurationError, MwaaDbtError
from mwaa_dbt.production import PublishDocs

BUCKET = "production"
WHOLE = {"target": "prod", "full_refresh": True, "vars": None}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(endpoint: str, monkeypatch: pytest.MonkeyPatch, connection: Callable[..., str], tmp_path: Path) -> Any:
    """An empty bucket, and an empty warehouse behind the connection zoo_prod."""
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AIRFLOW__MWAA_DBT__BUCKET": BUCKET,
    }.items():
        monkeypatch.setenv(name, value)
    warehouse = tmp_path / "zoo.duckdb"
    duckdb.connect(str(warehouse)).close()
    connection("zoo_prod", conn_type="duckdb", host=str(warehouse))
    client = boto3.client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket=BUCKET)
    for entry in client.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
        client.delete_object(Bucket=BUCKET, Key=entry["Key"])
    return client


def release(s3: Any, release_id: str) -> None:
    s3.put_object(Bucket=BUCKET, Key=f"{state.RELEASES}{release_id}.json", Body=b"{}")
    s3.put_object(Bucket=BUCKET, Key=state.POINTER, Body=json.dumps({"release": release_id}).encode())


def execute(what: str, began: datetime | None = None, **form: Any) -> None:
    """Run the task as a worker does, in a run that began then (None: a minute from now)."""
    project = DbtProject("zoo")
    with DAG("d", schedule=None, params=project.run_params(whole=True)):
        task = getattr(project, what)()
    ti = SimpleNamespace(task=task, task_id=what, dag_id="d", run_id="r", try_number=1, map_index=-1)
    run = SimpleNamespace(dag_id="d", run_id="r", start_date=began or datetime.now(tz=UTC) + timedelta(minutes=1))
    task.execute({"params": {**WHOLE, **form}, "run_id": "r", "ti": ti, "task_instance": ti, "dag_run": run})


def test_docs_are_generated_and_uploaded(s3: Any, dbt_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__BUCKET_PREFIX", "team")
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__WARM", "True")
    execute("docs")
    found = {one["Key"]: one for one in s3.list_objects_v2(Bucket=BUCKET)["Contents"]}
    assert set(found) == {f"team/mwaactl/docs/zoo/{name}" for name in PublishDocs.files}
    manifest = json.load(s3.get_object(Bucket=BUCKET, Key="team/mwaactl/docs/zoo/manifest.json")["Body"])
    assert manifest["metadata"]["project_name"] == "zoo"
    page = s3.get_object(Bucket=BUCKET, Key="team/mwaactl/docs/zoo/index.html")
    assert page["ContentType"].startswith("text/html")
    assert b"<html" in page["Body"].read()


def test_the_state_is_the_manifest_for_production(s3: Any, dbt_root: Path) -> None:
    release(s3, "7")
    execute("publish_state")
    found = state.read(s3, state.Place(BUCKET, "zoo", "prod"))
    assert found is not None
    assert found.release == "7"
    manifest = json.loads(found.manifest)
    assert manifest["metadata"]["project_name"] == "zoo"
    assert "raw_code" in manifest["nodes"]["model.zoo.fct_orders"], "the whole manifest, not the one for rendering"
    execute("publish_state")  # a cleared task publishes again


def test_a_run_that_began_before_the_release_publishes_nothing(s3: Any, dbt_root: Path) -> None:
    release(s3, "8")
    with pytest.raises(MwaaDbtError, match="began before release 8"):
        execute("publish_state", began=datetime.now(tz=UTC) - timedelta(minutes=5))
    assert state.read(s3, state.Place(BUCKET, "zoo", "prod")) is None


def test_what_writes_the_pointer_later_is_no_release(s3: Any, dbt_root: Path) -> None:
    release(s3, "8")
    time.sleep(1.1)  # moments in S3 are whole seconds
    began = datetime.now(tz=UTC)
    time.sleep(1.1)
    pointer = json.dumps({"release": "8", "lease": None}).encode()
    s3.put_object(Bucket=BUCKET, Key=state.POINTER, Body=pointer)  # an apply that changed nothing
    execute("publish_state", began=began)
    found = state.read(s3, state.Place(BUCKET, "zoo", "prod"))
    assert found is not None
    assert found.release == "8"


def test_a_release_without_a_record_has_no_moment(s3: Any, dbt_root: Path) -> None:
    release(s3, "8")
    s3.delete_object(Bucket=BUCKET, Key=f"{state.RELEASES}8.json")
    with pytest.raises(MwaaDbtError, match=r"8 has no record s3://production/mwaactl/releases/8\.json"):
        execute("publish_state")


def test_without_a_release_there_is_no_state(s3: Any, dbt_root: Path) -> None:
    with pytest.raises(MwaaDbtError, match="Nothing is released in s3://production/"):
        execute("publish_state")


@pytest.mark.parametrize("what", ["docs", "publish_state"])
@pytest.mark.parametrize("form", [{"target": "dev"}, {"select": "fct_orders"}])
def test_any_other_run_leaves_them_alone(s3: Any, dbt_root: Path, what: str, form: dict[str, str]) -> None:
    release(s3, "9")
    with pytest.raises(AirflowSkipException, match="and not of all in prod"):
        execute(what, **form)
    assert s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 2, "pointer and record alone"


def test_without_a_bucket_it_fails_in_words(s3: Any, dbt_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW__MWAA_DBT__BUCKET")
    with pytest.raises(ConfigurationError, match=r"\[mwaa_dbt\] bucket is not set"):
        execute("docs")


def test_they_come_after_the_groups_and_before_the_outcome(dbt_root: Path) -> None:
    project = DbtProject("zoo", lock="zoo")
    with DAG("d", schedule=None, params=project.run_params(whole=True)) as dag:
        project.task_group("all") >> [project.docs(), project.publish_state()]
    assert [task.task_id for task in dag.leaves] == ["outcome"]
    assert [task.task_id for task in dag.roots] == ["select_nodes"]
    for name in ("docs", "publish_state"):
        task = dag.get_task(name)
        assert task.upstream_task_ids
        assert task.trigger_rule == "none_failed"
        assert task.retries == settings.retries() or task.retries == 0
    assert dag.params["full_refresh"] is True
    assert set(dag.params) == {"target", "vars", "full_refresh"}
