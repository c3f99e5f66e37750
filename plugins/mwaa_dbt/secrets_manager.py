"""Why a connection isn't there: Airflow's backend keeps AWS' answer to itself, a person needs it."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from airflow.configuration import conf

_BACKEND = "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend"
#: Answers that stay the same until a person changes something; others (throttling, trouble inside AWS) may pass.
_ABSENT, _DENIED = ("ResourceNotFoundException",), ("AccessDeniedException", "AccessDenied", "403")


class Missing(NamedTuple):
    """Why a connection wasn't found: in words, whether that may pass, and whether its secret exists all the same."""

    words: str
    passes: bool = False
    exists: bool = False


def explain_missing(conn_id: str) -> Missing:
    """Return why Airflow didn't find the connection `conn_id`, as far as it can be learned.

    Asks Secrets Manager for the secret's description only: no value is read.
    """
    if conf.get("secrets", "backend", fallback="") != _BACKEND:
        return Missing(
            f"There is no connection {conn_id!r}: no secrets backend is set ([secrets] backend), and neither the "
            f"environment (AIRFLOW_CONN_{conn_id.upper()}) nor Airflow's database has it."
        )
    options: dict[str, Any] = json.loads(conf.get("secrets", "backend_kwargs", fallback="") or "{}")
    secret = f"{options.get('connections_prefix', 'airflow/connections')}{options.get('sep', '/')}{conn_id}"
    why = _ask(secret, options)
    begin = f"The connection {conn_id!r} can't be had now" if why.passes else f"There is no connection {conn_id!r}"
    return why._replace(words=f"{begin}. {why.words}")


def _ask(secret: str, options: dict[str, Any]) -> Missing:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        boto3.client("secretsmanager", region_name=options.get("region_name")).describe_secret(SecretId=secret)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _ABSENT:
            return Missing(f"Secrets Manager has no secret {secret!r}: create it (docs/connections.md has examples).")
        if code in _DENIED:
            return Missing(
                f"Secrets Manager denies access to {secret!r}: give the environment's execution role "
                "secretsmanager:GetSecretValue and secretsmanager:DescribeSecret on it."
            )
        return Missing(f"Secrets Manager answered {code} for {secret!r}.", passes=True)
    except BotoCoreError as error:
        return Missing(f"Secrets Manager couldn't be asked for {secret!r}: {error}", passes=True)
    return Missing(
        f"The secret {secret!r} exists, but Airflow got no connection from it: its text is neither JSON nor a URI "
        "(docs/connections.md has one of each), it has no value, the role lacks secretsmanager:GetSecretValue or "
        "kms:Decrypt, or connections_lookup_pattern leaves its name out.",
        exists=True,
    )
