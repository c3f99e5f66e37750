"""Why a connection isn't there: Airflow's backend keeps AWS' answer to itself, a person needs it."""

from __future__ import annotations

import json
from typing import Any

from airflow.configuration import conf

_BACKEND = "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend"


def explain_missing(conn_id: str) -> str:
    """Return what to tell a person about the connection `conn_id` that Airflow didn't find.

    Asks Secrets Manager for the secret's description only: no value is read.
    """
    if conf.get("secrets", "backend", fallback="") != _BACKEND:
        return (
            f"There is no connection {conn_id!r}: no secrets backend is set ([secrets] backend), and neither the "
            f"environment (AIRFLOW_CONN_{conn_id.upper()}) nor Airflow's database has it."
        )
    options: dict[str, Any] = json.loads(conf.get("secrets", "backend_kwargs", fallback="") or "{}")
    secret = f"{options.get('connections_prefix', 'airflow/connections')}{options.get('sep', '/')}{conn_id}"
    return f"There is no connection {conn_id!r}. {_ask(secret, options)}"


def _ask(secret: str, options: dict[str, Any]) -> str:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        boto3.client("secretsmanager", region_name=options.get("region_name")).describe_secret(SecretId=secret)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "ResourceNotFoundException":
            return f"Secrets Manager has no secret {secret!r}: create it (docs/connections.md has examples)."
        if code in ("AccessDeniedException", "AccessDenied", "403"):
            return (
                f"Secrets Manager denies access to {secret!r}: give the environment's execution role "
                "secretsmanager:GetSecretValue and secretsmanager:DescribeSecret on it."
            )
        return f"Secrets Manager answered {code} for {secret!r}."
    except BotoCoreError as error:
        return f"Secrets Manager couldn't be asked for {secret!r}: {error}"
    return (
        f"The secret {secret!r} exists, but Airflow got no connection from it: its text is neither JSON nor a URI "
        "(docs/connections.md has one of each), it has no value, the role lacks secretsmanager:GetSecretValue or "
        "kms:Decrypt, or connections_lookup_pattern leaves its name out."
    )
