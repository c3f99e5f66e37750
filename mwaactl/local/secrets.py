"""The connections of the local environment, as secrets in Secrets Manager: the only place where connections live."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mwaactl.local import sink
from mwaactl.local.layout import Layout

PREFIX = "airflow/connections/"
TARGETS = ("dev", "stage", "prod")


def projects(source: Path) -> list[str]:
    """Return the names of the dbt projects below `source`/dbt."""
    return sorted(path.parent.name for path in source.glob("dbt/*/dbt_project.yml"))


def connections(layout: Layout, ports: dict[str, int]) -> dict[str, str]:
    """Return every connection's id and secret value.

    Stage is in URI form, the others are JSON: MWAA's backend takes both, so both are used.
    """
    found: dict[str, str] = {}
    for project in projects(layout.source):
        for target in TARGETS:
            path = str(layout.warehouse / f"{project}_{target}.duckdb")
            as_json = json.dumps({"conn_type": "duckdb", "host": path})
            found[f"{project}_{target}"] = f"duckdb://{quote(path, safe='')}" if target == "stage" else as_json
    slack = {"base_url": f"http://127.0.0.1:{ports['slack']}/api/"}
    found["slack"] = json.dumps({"conn_type": "slack", "password": sink.TOKEN, "extra": slack})
    found["slack_webhook"] = json.dumps(
        {
            "conn_type": "slackwebhook",
            "schema": "http",
            "host": f"127.0.0.1:{ports['slack']}/services",
            "password": sink.WEBHOOK_PATH,
        }
    )
    mail = {"disable_ssl": True, "disable_tls": True, "from_email": "airflow@example.com"}
    found["smtp_default"] = json.dumps({"conn_type": "smtp", "host": "127.0.0.1", "port": ports["mail"], "extra": mail})
    return found


def store(secretsmanager: Any, values: dict[str, str]) -> None:
    """Write connections to Secrets Manager, new or changed."""
    for connection, value in values.items():
        name = PREFIX + connection
        try:
            secretsmanager.create_secret(Name=name, SecretString=value)
        except secretsmanager.exceptions.ResourceExistsException:
            secretsmanager.put_secret_value(SecretId=name, SecretString=value)
