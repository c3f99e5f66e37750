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
from moto import settings
from moto.server import ThreadedMotoServer

from mwaactl.local import options
from mwaactl.local.layout import REPOSITORY
from tests import airflow_process

KEY = (
    "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhki+G9w0/BAQ\nEFAASCBKcwggSjAgEAAoIBAQ==\n-----END PRIVATE KEY-----\n"
)
SNOWFLAKE = {"account": "org-acc", "database": "ANALYTICS", "warehouse": "WH", "role": "TRANSFORMER"}
KEYFILE = {
    "type": "service_account",
    "project_id": "shop-prod",
    "private_key_id": "4f1c0ffee",
    "private_key": KEY,
    "client_email": "dbt@shop-prod.iam.gserviceaccount.com",
    "token_uri": "https://oauth2.googleapis.com/token",
}


def snowflake(password: str | None = None, **extra: str) -> dict[str, Any]:
    fields = {"conn_type": "snowflake", "login": "DBT", "schema": "MARTS", "extra": {**SNOWFLAKE, **extra}}
    return {**fields, "password": password} if password else fields


def bigquery(**extra: Any) -> dict[str, Any]:
    return {"conn_type": "google_cloud_platform", "extra": {"project": "shop-prod", "dataset": "marts", **extra}}


class Case(NamedTuple):
    """A connection, the mapping that fits it, what the profile's target holds, and what mustn't stand in it."""

    fields: dict[str, Any]
    mapping: str
    target: dict[str, Any]
    secrets: tuple[str, ...] = ()


_SNOWFLAKE_TARGET = {"type": "snowflake", "account": "org-acc", "user": "DBT", "schema": "MARTS", "role": "TRANSFORMER"}
CASES = {
    "duckdb": Case(
        {"conn_type": "duckdb", "host": "/data/ware house.duckdb"},
        "DuckDBUserPasswordProfileMapping",
        {"type": "duckdb", "path": "/data/ware house.duckdb"},
    ),
    "snowflake_key": Case(
        snowflake(private_key_content=KEY),
        "SnowflakePrivateKeyPemProfileMapping",
        _SNOWFLAKE_TARGET,
        (KEY,),
    ),
    "snowflake_key_encrypted": Case(
        snowflake("pass/ph@rase:1", private_key_content=KEY),
        "SnowflakeEncryptedPrivateKeyPemProfileMapping",
        _SNOWFLAKE_TARGET,
        (KEY, "pass/ph@rase:1"),
    ),
    "snowflake_file": Case(
        snowflake(private_key_file="/keys/rsa.p8"),
        "SnowflakePrivateKeyFilePemProfileMapping",
        {**_SNOWFLAKE_TARGET, "private_key_path": "/keys/rsa.p8"},
    ),
    "snowflake_file_encrypted": Case(
        snowflake("pass/ph@rase:2", private_key_file="/keys/rsa.p8"),
        "SnowflakeEncryptedPrivateKeyFilePemProfileMapping",
        {**_SNOWFLAKE_TARGET, "private_key_path": "/keys/rsa.p8"},
        ("pass/ph@rase:2",),
    ),
    "snowflake_password": Case(
        snowflake("hunter/2@:%"), "SnowflakeUserPasswordProfileMapping", _SNOWFLAKE_TARGET, ("hunter/2@:%",)
    ),
    "bigquery_dict": Case(
        bigquery(keyfile_dict=json.dumps(KEYFILE)),
        "GoogleCloudServiceAccountDictProfileMapping",
        {"type": "bigquery", "method": "service-account-json", "project": "shop-prod", "dataset": "marts"},
        (KEY, "4f1c0ffee"),
    ),
    "bigquery_path": Case(
        bigquery(key_path="/keys/shop.json"),
        "GoogleCloudServiceAccountFileProfileMapping",
        {"type": "bigquery", "method": "service-account", "keyfile": "/keys/shop.json", "dataset": "marts"},
    ),
    "bigquery_adc": Case(
        bigquery(),
        "GoogleCloudOauthProfileMapping",
        {"type": "bigquery", "method": "oauth", "project": "shop-prod", "dataset": "marts"},
    ),
}
#: Secrets that give no profile, and the words that say why.
BAD: dict[str, tuple[str, tuple[str, ...]]] = {
    "mysql": (json.dumps({"conn_type": "mysql", "host": "h"}), ("'mysql'", "duckdb, snowflake, google_cloud_platform")),
    "no_path": (json.dumps({"conn_type": "duckdb"}), ("'no_path'", "lacks path", "(host)")),
    "no_account": (
        json.dumps(snowflake("p", account="")),
        ("'no_account'", "lacks account", "(extra.account)"),
    ),
    "no_login": (json.dumps({**snowflake("p"), "login": ""}), ("lacks user", "(login)")),
    "no_dataset": (json.dumps(bigquery(dataset="")), ("lacks dataset", "(extra.dataset)")),
    "no_way_in": (json.dumps(snowflake()), ("says no way to log in", "private_key_content")),
    "half_json": ('{"conn_type": "duckdb", "host": "/data/sec', ("half_json", "JSON", "URI", "docs/connections.md")),
    "prose": ("host=localhost", ("'prose'", "JSON", "URI")),
    "list": ('["duckdb"]', ("'list'", "JSON", "URI")),
}


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
    words = probed.allowed["missing"]["words"]
    assert "'airflow/connections/missing'" in words
    assert "create it" in words


def test_access_denied_is_said(probed: Probed) -> None:
    words = probed.denied["duckdb_json"]["words"]
    assert "denies access to 'airflow/connections/duckdb_json'" in words
    assert "secretsmanager:GetSecretValue" in words


def test_secrets_manager_away_is_said(probed: Probed) -> None:
    words = probed.away["duckdb_json"]["words"]
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
    words = secrets_manager.explain_missing("shop_dev")
    assert "[secrets] backend" in words
    assert "AIRFLOW_CONN_SHOP_DEV" in words
