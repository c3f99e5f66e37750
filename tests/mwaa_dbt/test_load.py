"""A raw file comes from S3 (moto), and the project's macro gets its path."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import yaml
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer
from mwaa_dbt import DbtProject, LoadRaw, operators
from mwaa_dbt.errors import ConfigurationError, MwaaDbtError
from mwaa_dbt.process import DbtProcess, DbtRequest


class _AskedError(Exception):
    """Instead of running dbt."""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch, connection: Callable[..., str], dbt_root: Path) -> Any:
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AIRFLOW__MWAA_DBT__RAW_BUCKET": "landing",
    }.items():
        monkeypatch.setenv(name, value)
    connection("zoo_dev", conn_type="duckdb", host="/data/zoo.duckdb")
    s3 = boto3.client("s3", endpoint_url=endpoint)
    s3.create_bucket(Bucket="landing")
    s3.put_object(Bucket="landing", Key="raw/flights/2013-01-02.csv.gz", Body=b"the day")
    return s3


def load(**arguments: Any) -> LoadRaw:
    with DAG("load", schedule=None):
        return LoadRaw(task_id="flights", project=DbtProject("zoo"), table="flights", **arguments)


def execute(task: LoadRaw) -> None:
    task.execute({"params": {}, "run_id": "r1", "ti": SimpleNamespace(task=task)})


@pytest.mark.parametrize("day", ["2013-01-02", None])
def test_the_macro_gets_the_file(monkeypatch: pytest.MonkeyPatch, day: str | None) -> None:
    seen: dict[str, Any] = {}

    def asked(request: DbtRequest, **_: Any) -> DbtProcess:
        args = yaml.safe_load(request.args[request.args.index("--args") + 1])
        seen.update(args, content=Path(args["path"]).read_bytes(), command=request.args[:2])
        raise _AskedError

    monkeypatch.setattr(operators, "start", asked)
    with pytest.raises(_AskedError):
        execute(load(key="raw/flights/2013-01-02.csv.gz", day=day))
    assert seen["command"] == ["run-operation", "load_raw"]
    assert seen["table"] == "flights"
    assert seen["content"] == b"the day"
    assert seen["path"].endswith("/2013-01-02.csv.gz")
    assert ("day" in seen) == (day is not None)
    assert day is None or str(seen["day"]) == day
    assert not Path(seen["path"]).exists(), "the copy ends with the task"


@pytest.mark.parametrize("missing", ["file", "bucket"])
def test_a_file_that_isnt_there_is_named(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    if missing == "bucket":
        monkeypatch.setenv("AIRFLOW__MWAA_DBT__RAW_BUCKET", "nowhere")
    with pytest.raises(MwaaDbtError, match=r"There is no file s3://(landing|nowhere)/raw/x\.csv\.gz") as error:
        execute(load(key="raw/x.csv.gz"))
    assert "[mwaa_dbt] raw_bucket" in str(error.value)
    assert not isinstance(error.value, AirflowFailException), "it may land yet"


def test_no_bucket_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW__MWAA_DBT__RAW_BUCKET")
    with pytest.raises(ConfigurationError, match=r"\[mwaa_dbt\] raw_bucket is not set"):
        execute(load(key="raw/x.csv.gz"))


def test_other_answers_of_aws_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from mwaa_dbt import load as module

    def denied(*_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")

    fake = SimpleNamespace(get_conn=lambda: SimpleNamespace(download_file=denied))
    monkeypatch.setattr(module, "S3Hook", lambda: fake)
    with pytest.raises(ClientError, match="AccessDenied"):
        execute(load(key="raw/x.csv.gz"))


def test_key_and_day_are_templates() -> None:
    assert {"key", "day"} <= set(LoadRaw.template_fields)
