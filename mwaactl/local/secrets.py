"""The connections of the local environment, as secrets in Secrets Manager: the only place where connections live."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mwaactl.errors import Problem
from mwaactl.local import sink
from mwaactl.local.layout import Layout

PREFIX = "airflow/connections/"
TARGETS = ("dev", "stage", "prod")
OWN_FILE = Path(".local") / "connections.json"


def projects(source: Path) -> list[str]:
    """Return the names of the dbt projects below `source`/dbt."""
    return sorted(path.parent.name for path in source.glob("dbt/*/dbt_project.yml"))


def connections(layout: Layout, ports: dict[str, int]) -> dict[str, str]:
    """Return every connection's id and secret value.

    Stage is in URI form, the others are JSON: MWAA's backend takes both, so both are used. What the project's
    .local/connections.json holds takes the place of these, or is added. Raises Problem when that file is no good.
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
    return found | own(layout.source / OWN_FILE)


def own(path: Path) -> dict[str, str]:
    """Return the developer's own connections: a JSON object of ids, each a connection as JSON object or URI.

    Raises Problem when the file can't be used; the text never holds a value of it.
    """
    if not path.is_file():
        return {}
    if path.stat().st_mode & 0o077:
        raise Problem(f"{path} holds secrets, but others can read it.", f"Close it: `chmod 600 {path}`.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Problem(f"{path} is not JSON: {error}", "Correct it.") from error
    entries = content.items() if isinstance(content, dict) else [("", None)]
    for connection, value in entries:
        if not connection or not isinstance(value, dict | str):
            raise Problem(
                f"{path}: {connection or 'the whole'} is not a connection.",
                'Write {"shop_dev": {"conn_type": "snowflake", ...}, "slack": "slack://..."}.',
            )
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in entries}


def store(secretsmanager: Any, values: dict[str, str]) -> None:
    """Write connections to Secrets Manager, new or changed."""
    for connection, value in values.items():
        name = PREFIX + connection
        try:
            secretsmanager.create_secret(Name=name, SecretString=value)
        except secretsmanager.exceptions.ResourceExistsException:
            secretsmanager.put_secret_value(SecretId=name, SecretString=value)
