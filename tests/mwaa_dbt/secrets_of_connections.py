"""Secrets as people write them, and the profile, or the words, that they give."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

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
    "key_no_json": (json.dumps(bigquery(keyfile_dict="{/data/sec")), ("'key_no_json'", "keyfile_dict", "JSON object")),
    "key_a_list": (json.dumps(bigquery(keyfile_dict=["/data/sec"])), ("'key_a_list'", "keyfile_dict", "JSON object")),
    "key_half": (
        json.dumps(bigquery(keyfile_dict={"private_key": "/data/sec"})),
        ("'key_half'", "keyfile_dict", "private_key_id"),
    ),
    "list": ('["duckdb"]', ("'list'", "JSON", "URI")),
}
