"""From a secret in Secrets Manager (moto) through Airflow's real backend to a dbt profile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest
import yaml
from airflow.sdk import Connection
from botocore.exceptions import ClientError
from moto import settings
from moto.server import ThreadedMotoServer
from mwaa_dbt import profiles
from mwaa_dbt.compat import AirflowFailException, AirflowNotFoundException
from mwaa_dbt.errors import ConnectionError, MwaaDbtError

from mwaactl.local import options
from mwaactl.local.layout import REPOSITORY
from tests import airflow_process
from tests.mwaa_dbt.secrets_of_connections import BAD, CASES


class Probed(NamedTuple):
    """What the probe said with access to Secrets Manager, with the access denied, and with the endpoint away."""

    allowed: dict[str, Any]
    denied: dict[str, Any]
    away: dict[str, Any]
    output: str


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> Probed:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client_options = {
        "endpoint_url": endpoint,
        "region_name": "eu-central-1",
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
    }
    secrets = boto3.client("secretsmanager", **client_options)
    for name, case in CASES.items():
        uri = Connection(conn_id=name, **{**case.fields, "extra": json.dumps(case.fields.get("extra", {}))}).get_uri()
        secrets.create_secret(Name=f"airflow/connections/{name}_json", SecretString=json.dumps(case.fields))
        secrets.create_secret(Name=f"airflow/connections/{name}_uri", SecretString=uri)
    for name, (text, _) in BAD.items():
        secrets.create_secret(Name=f"airflow/connections/{name}", SecretString=text)
    iam = boto3.client("iam", **client_options)
    iam.create_user(UserName="worker")
    key = iam.create_access_key(UserName="worker")["AccessKey"]

    given = options.variables(options.read(REPOSITORY))
    base = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "AWS_"))},
        **airflow_process.environment(tmp_path_factory.mktemp("home")),
        **{name: value for name, value in given.items() if name.startswith("AIRFLOW__SECRETS__")},
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
        "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'plugins'}",
    }

    def probe(where: str, *conn_ids: str) -> tuple[dict[str, Any], str]:
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("profile_probe.py")), *conn_ids],
            env={**base, "AWS_ENDPOINT_URL": where},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1]), done.stdout + done.stderr

    names = [f"{name}_{form}" for name in CASES for form in ("json", "uri")]
    allowed, output = probe(endpoint, *names, *BAD, "missing")
    away, _ = probe("http://127.0.0.1:9", "duckdb_json")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)  # from here on, IAM policies hold in moto
        denied, _ = probe(endpoint, "duckdb_json")
    server.stop()
    return Probed(allowed, denied, away, output)


@pytest.mark.parametrize("form", ["json", "uri"])
@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_connection_in_both_forms(probed: Probed, name: str, form: str) -> None:
    case = CASES[name]
    answer = probed.allowed[f"{name}_{form}"]
    assert "error" not in answer, answer
    assert answer["mapping"] == case.mapping
    target = yaml.safe_load(answer["text"])["shop"]["outputs"]["dev"]
    assert case.target.items() <= target.items()
    for secret in case.secrets:
        assert secret in answer["env"].values()
        for piece in secret.split("\n"):
            assert not piece or piece.startswith("-----") or piece not in answer["text"]
    if not case.secrets:
        assert answer["env"] == {}
    for variable in answer["env"]:
        assert f"env_var('{variable}')" in " ".join(_texts(target))


def _texts(value: Any) -> Iterator[str]:
    for inner in value.values():
        yield from _texts(inner) if isinstance(inner, dict) else [str(inner)]


@pytest.mark.parametrize("name", BAD)
def test_a_bad_secret_is_said_in_words(probed: Probed, name: str) -> None:
    answer = probed.allowed[name]
    assert answer.get("error") == "ConnectionError", answer
    for word in BAD[name][1]:
        assert word in answer["words"]
    assert "/data/sec" not in answer["words"]


def test_a_missing_secret_is_named(probed: Probed) -> None:
    assert probed.allowed["missing"]["error"] == "ConnectionError"
    words = probed.allowed["missing"]["words"]
    assert "'airflow/connections/missing'" in words
    assert "create it" in words


def test_access_denied_is_said(probed: Probed) -> None:
    assert probed.denied["duckdb_json"]["error"] == "ConnectionError"
    words = probed.denied["duckdb_json"]["words"]
    assert "denies access to 'airflow/connections/duckdb_json'" in words
    assert "secretsmanager:GetSecretValue" in words


def test_secrets_manager_away_is_said_and_retried(probed: Probed) -> None:
    answer = probed.away["duckdb_json"]
    assert answer["error"] == "MwaaDbtError", "a ConnectionError would be for good"
    words = answer["words"]
    assert "'airflow/connections/duckdb_json'" in words
    assert "http://127.0.0.1:9" in words


def test_no_secret_is_logged(probed: Probed) -> None:
    log = probed.output.rpartition("\n{")[0]
    for case in CASES.values():
        for secret in case.secrets:
            assert secret not in log


def test_without_a_backend_the_words_name_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    from mwaa_dbt import secrets_manager

    monkeypatch.delenv("AIRFLOW__SECRETS__BACKEND", raising=False)
    words = secrets_manager.explain_missing("shop_dev").words
    assert "[secrets] backend" in words
    assert "AIRFLOW_CONN_SHOP_DEV" in words


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that name Secrets Manager."""
    for name, value in options.variables(options.read(REPOSITORY)).items():
        if name.startswith("AIRFLOW__SECRETS__"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.mark.parametrize(
    ("code", "retried"),
    [
        ("ThrottlingException", True),
        ("InternalServiceError", True),
        ("ServiceUnavailable", True),
        ("ResourceNotFoundException", False),
        ("AccessDeniedException", False),
    ],
)
def test_what_may_pass_is_retried(backend: None, monkeypatch: pytest.MonkeyPatch, code: str, retried: bool) -> None:
    def refuse(self: Any, operation: str, arguments: Any) -> None:
        raise ClientError({"Error": {"Code": code}}, operation)

    monkeypatch.setattr(profiles.BaseHook, "get_connection", _found_at(99))
    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", refuse)
    with pytest.raises(MwaaDbtError, match="'airflow/connections/shop_dev'") as error:
        profiles.get_connection("shop_dev")
    assert isinstance(error.value, AirflowFailException) is not retried


@pytest.mark.parametrize("found_at", [2, 99])
def test_a_secret_that_exists_is_asked_for_once_more(
    backend: None, monkeypatch: pytest.MonkeyPatch, found_at: int
) -> None:
    monkeypatch.setattr(profiles.BaseHook, "get_connection", _found_at(found_at))
    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", lambda *_: {"Name": "it exists"})
    if found_at == 2:
        assert profiles.get_connection("shop_dev").conn_id == "shop_dev"
    else:
        with pytest.raises(ConnectionError, match="exists, but Airflow got no connection from it"):
            profiles.get_connection("shop_dev")


def _found_at(ask: int) -> Any:
    """Return a `get_connection` that finds the connection at the so manieth time."""
    asked: list[str] = []

    def get_connection(conn_id: str) -> Connection:
        asked.append(conn_id)
        if len(asked) < ask:
            raise AirflowNotFoundException(conn_id)
        return Connection(conn_id=conn_id, conn_type="duckdb")

    return get_connection
