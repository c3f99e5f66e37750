"""What the roles of infra/ may do and what not: real calls to an AWS that enforces exactly their policies."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.amazon.aws.secrets.secrets_manager import SecretsManagerBackend
from botocore.exceptions import ClientError
from mwaa_dbt import DbtProject, LoadRaw
from mwaa_dbt.errors import MwaaDbtError
from mwaa_dbt.history import housekeeping, s3
from mwaa_dbt.history.index import Index
from mwaa_dbt.history.place import Place
from mwaa_dbt.history.record import Try
from mwaa_dbt.history.recording import Recording
from mwaa_dbt.history.sync import sync

from mwaactl.local import options
from mwaactl.local.layout import REPOSITORY
from mwaactl.release import contents
from tests.infra import stacks
from tests.infra.conftest import BUCKET, FOREIGN, RAW, Roles

POINTER = "mwaactl/current.json"


def denied(call: Callable[..., Any], **arguments: Any) -> None:
    """Assert that AWS refuses this call for lack of a permission."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    status = caught.value.response["ResponseMetadata"]["HTTPStatusCode"]
    assert status == 403, caught.value


def secret(name: str) -> str:
    return f"airflow/connections/{name}"


# --- The release -----------------------------------------------------------------------------------------------------


def test_deploy_makes_a_release_and_takes_it_back(roles: Roles) -> None:
    s3 = roles.aws.client("s3", roles.deploy)
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    versions = {
        key: s3.put_object(Bucket=BUCKET, Key=key, Body=file.read(), ChecksumAlgorithm="SHA256")["VersionId"]
        for key, file in contents.files(REPOSITORY).items()
    }
    assert {"requirements.txt", "startup.sh", "plugins.zip", "dags/flights_load.py"} <= set(versions)
    first = s3.put_object(Bucket=BUCKET, Key=POINTER, Body=b"1", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket=BUCKET, Key=POINTER, Body=b"2", IfNoneMatch="*")
    s3.put_object(Bucket=BUCKET, Key=POINTER, Body=b"2", IfMatch=first["ETag"])

    s3.put_object(Bucket=BUCKET, Key="startup.sh", Body=b"changed")
    s3.delete_object(Bucket=BUCKET, Key="dags/flights_load.py")
    old = s3.get_object(Bucket=BUCKET, Key="startup.sh", VersionId=versions["startup.sh"])["Body"].read()
    assert old == (REPOSITORY / "startup.sh").read_bytes()
    source = {"Bucket": BUCKET, "Key": "dags/flights_load.py", "VersionId": versions["dags/flights_load.py"]}
    s3.copy_object(Bucket=BUCKET, Key="dags/flights_load.py", CopySource=source)
    there = {entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET, Prefix="dags/", MaxKeys=1000)["Contents"]}
    assert "dags/flights_load.py" in there
    assert s3.list_object_versions(Bucket=BUCKET, Prefix="startup.sh")["Versions"][0]["IsLatest"]


def test_deploy_can_do_nothing_else(roles: Roles) -> None:
    s3 = roles.aws.client("s3", roles.deploy)
    for key in ("raw/planes.csv.gz", "artifacts/x.json", "other.txt", "dagsx"):
        denied(s3.put_object, Bucket=BUCKET, Key=key, Body=b"")
        denied(s3.get_object, Bucket=BUCKET, Key=key)
    for key in ("requirements.txt", POINTER, "mwaactl/releases/1.json", "raw/planes.csv.gz"):
        denied(s3.delete_object, Bucket=BUCKET, Key=key)
    version = s3.put_object(Bucket=BUCKET, Key="dags/x.py", Body=b"")["VersionId"]
    denied(s3.delete_object, Bucket=BUCKET, Key="dags/x.py", VersionId=version)
    denied(s3.put_bucket_versioning, Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})
    denied(s3.put_bucket_policy, Bucket=BUCKET, Policy="{}")
    denied(s3.delete_bucket, Bucket=BUCKET)
    denied(s3.put_object, Bucket=FOREIGN, Key="dags/x.py", Body=b"")
    denied(s3.list_objects_v2, Bucket=FOREIGN)
    denied(s3.list_buckets)
    secrets = roles.aws.client("secretsmanager", roles.deploy)
    assert "flights_ci" in secrets.get_secret_value(SecretId=secret("flights_ci"))["SecretString"]
    for name in ("flights_stage", "flights_prod", "slack"):
        denied(secrets.get_secret_value, SecretId=secret(name))
    not_even_a_look_at_iam(roles, roles.deploy)


# --- Pull requests ---------------------------------------------------------------------------------------------------


def test_plan_reads_the_release_and_the_warehouse_of_ci(roles: Roles) -> None:
    written = roles.aws.client("s3", roles.deploy)
    version = written.put_object(Bucket=BUCKET, Key="mwaactl/state/flights/prod/manifest.json", Body=b"{}")["VersionId"]
    s3 = roles.aws.client("s3", roles.plan)
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix="dags/")["KeyCount"] >= 0
    key = {"Bucket": BUCKET, "Key": "mwaactl/state/flights/prod/manifest.json"}
    assert s3.get_object(**key)["Body"].read() == b"{}"
    assert s3.head_object(**key)["VersionId"] == version
    assert s3.get_object(**key, VersionId=version)["Body"].read() == b"{}"
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    secrets = roles.aws.client("secretsmanager", roles.plan)
    assert "flights_ci" in secrets.get_secret_value(SecretId=secret("flights_ci"))["SecretString"]


def test_plan_can_do_nothing_else(roles: Roles) -> None:
    s3 = roles.aws.client("s3", roles.plan)
    for key in ("dags/x.py", "requirements.txt", POINTER, "mwaactl/state/flights/prod/manifest.json"):
        denied(s3.put_object, Bucket=BUCKET, Key=key, Body=b"")
        denied(s3.delete_object, Bucket=BUCKET, Key=key)
    denied(s3.get_object, Bucket=BUCKET, Key="raw/planes.csv.gz")
    denied(s3.get_object, Bucket=FOREIGN, Key="dags/x.py")
    denied(s3.list_buckets)
    secrets = roles.aws.client("secretsmanager", roles.plan)
    for name in ("flights_stage", "flights_prod", "slack"):
        denied(secrets.get_secret_value, SecretId=secret(name))
    denied(secrets.put_secret_value, SecretId=secret("flights_ci"), SecretString="{}")
    not_even_a_look_at_iam(roles, roles.plan)


# --- Tasks -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def on_a_worker(roles: Roles, monkeypatch: pytest.MonkeyPatch) -> None:
    """The AWS settings of a worker's process: the execution role."""
    for name, value in roles.aws.environment(roles.execution).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", "aws://")
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__RAW_BUCKET", RAW)


@pytest.mark.usefixtures("on_a_worker")
def test_airflows_backend_reads_its_targets_connections_and_no_others() -> None:
    backend = SecretsManagerBackend(**json.loads(options.read(REPOSITORY)["secrets.backend_kwargs"]))
    assert "/flights_stage" in (backend.get_conn_value("flights_stage") or "")
    assert "/slack" in (backend.get_conn_value("slack") or "")
    # Asked through the backend's own client, for the backend takes a refusal for an absence.
    denied(backend.client.get_secret_value, SecretId=secret("flights_prod"))
    denied(backend.client.get_secret_value, SecretId=secret("flights_ci"))
    denied(backend.client.put_secret_value, SecretId=secret("flights_stage"), SecretString="{}")


@pytest.mark.usefixtures("on_a_worker")
def test_load_raw_fetches_its_file_and_says_when_it_has_not_landed(tmp_path: Path) -> None:
    task = LoadRaw(task_id="planes", project=DbtProject("flights"), table="planes", key="raw/planes.csv.gz")
    task._download(tmp_path / "planes")
    assert (tmp_path / "planes").read_bytes() == b"planes"
    task.key = "raw/flights/2013-01-01.csv.gz"
    with pytest.raises(MwaaDbtError, match="hasn't landed yet"):
        task._download(tmp_path / "flights")


def test_execution_reads_the_bucket_and_writes_artifacts(roles: Roles) -> None:
    release = roles.aws.client("s3", roles.deploy)
    version = release.put_object(Bucket=BUCKET, Key="requirements.txt", Body=b"cosmos")["VersionId"]
    s3 = roles.aws.client("s3", roles.execution)
    assert s3.get_object(Bucket=BUCKET, Key="requirements.txt", VersionId=version)["Body"].read() == b"cosmos"
    assert s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] > 0
    s3.put_object(Bucket=BUCKET, Key="artifacts/flights/run_results.json", Body=b"{}")
    assert "Versions" not in s3.list_object_versions(Bucket=BUCKET, Prefix="mwaactl/releases/none")  # publish_state
    s3.put_object(Bucket=BUCKET, Key="mwaactl/alerts/state/d.json", Body=b"{}", IfNoneMatch="*")
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "mwaactl/alerts/state/d.json"}]})


@pytest.mark.usefixtures("on_a_worker")
def test_execution_keeps_history_and_gathers_it(
    roles: Roles, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A task's way, the DAG history_gather's, and the page's."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__BUCKET", BUCKET)
    place = Place.beside(BUCKET)
    roles.aws.client("s3", roles.deploy).put_object(Bucket=BUCKET, Key=place.pointer, Body=b'{"release": "7"}')
    assert [one["release"] for one in results_of_a_task(place, tmp_path)] == ["7"]
    assert "HISTORY" not in caplog.text
    housekeeping.gather()
    index = Index(tmp_path / "index" / "history.db")
    assert sync(s3.client(), place, index) == 1
    assert sync(s3.client(), place, index) == 0
    client = roles.aws.client("s3", roles.execution)
    for key in client.list_objects_v2(Bucket=BUCKET, Prefix=place.prefix)["Contents"]:
        denied(client.delete_object, Bucket=BUCKET, Key=key["Key"])


def test_history_is_written_by_a_role_that_may_not_see_the_release(
    roles: Roles, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """S3 answers 403 for what isn't there where listing isn't allowed: then no release is known, and that is all."""
    properties = stacks.resolved("environment")["ExecutionRole"]
    (policy, *_) = properties["Policies"]
    kept = [one for one in policy["PolicyDocument"]["Statement"] if one["Sid"] == "Artifacts"]
    document = {**policy["PolicyDocument"], "Statement": kept}
    roles.aws.relax()
    writer = roles.aws.role({**properties, "RoleName": "writer", "Policies": [{**policy, "PolicyDocument": document}]})
    roles.aws.enforce()
    for name, value in roles.aws.environment(writer).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    denied(roles.aws.client("s3", writer).get_object, Bucket=BUCKET, Key=POINTER)
    place = Place.beside(BUCKET)
    (result,) = results_of_a_task(place, tmp_path, roles.aws.client("s3", roles.execution))
    assert result["release"] is None
    assert "HISTORY" not in caplog.text


def results_of_a_task(place: Place, tmp_path: Path, reader: Any = None) -> list[dict[str, Any]]:
    """Record the result of one task as its operator does; return what is in the bucket."""
    started, try_id = datetime.now(UTC), tmp_path.name
    facts = {"command": "run", "dag_id": "d", "run_id": "r", "task_id": "t", "try_number": 1, "versions": {}}
    tried = Try(place.result(started, "d", try_id), try_id, started, facts, ("model.p.a",))
    with Recording(place, tried):
        pass
    body = (reader or s3.client()).get_object(Bucket=place.bucket, Key=tried.key)["Body"].read()
    return [json.loads(line) for line in body.splitlines()]


def test_execution_reads_the_connection_of_mail_and_no_other(roles: Roles) -> None:
    secrets = roles.aws.client("secretsmanager", roles.execution)
    assert "/mail" in secrets.get_secret_value(SecretId=secret("mail"))["SecretString"]
    denied(secrets.get_secret_value, SecretId=secret("smtp"))


def test_execution_can_do_nothing_else(roles: Roles) -> None:
    s3 = roles.aws.client("s3", roles.execution)
    for key in ("dags/x.py", "plugins.zip", "startup.sh", "raw/planes.csv.gz", POINTER):
        denied(s3.put_object, Bucket=BUCKET, Key=key, Body=b"")
        denied(s3.delete_object, Bucket=BUCKET, Key=key)
    denied(s3.delete_object, Bucket=BUCKET, Key="artifacts/flights/run_results.json")
    denied(s3.put_object, Bucket=RAW, Key="raw/planes.csv.gz", Body=b"")
    denied(s3.get_object, Bucket=RAW, Key="other/planes.csv.gz")
    denied(s3.get_object, Bucket=FOREIGN, Key="raw/planes.csv.gz")
    denied(s3.delete_bucket, Bucket=BUCKET)
    denied(s3.list_buckets)
    not_even_a_look_at_iam(roles, roles.execution)


def not_even_a_look_at_iam(roles: Roles, credentials: dict[str, Any]) -> None:
    iam = roles.aws.client("iam", credentials)
    denied(iam.list_roles)
    denied(iam.get_role, RoleName="flights-stage-execution")
    denied(iam.create_user, UserName="another")
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    denied(iam.put_role_policy, RoleName="flights-stage-deploy", PolicyName="more", PolicyDocument=policy)
    sts = roles.aws.client("sts", credentials)
    denied(sts.assume_role, RoleArn="arn:aws:iam::123456789012:role/flights-stage-deploy", RoleSessionName="more")
