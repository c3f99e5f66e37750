"""An Airflow connection as a dbt profile: the connection's type decides the mapping, secrets stay out of the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from airflow.sdk import Connection
from cosmos.profiles import (
    DuckDBUserPasswordProfileMapping,
    GoogleCloudOauthProfileMapping,
    GoogleCloudServiceAccountDictProfileMapping,
    GoogleCloudServiceAccountFileProfileMapping,
    SnowflakeEncryptedPrivateKeyFilePemProfileMapping,
    SnowflakeEncryptedPrivateKeyPemProfileMapping,
    SnowflakePrivateKeyFilePemProfileMapping,
    SnowflakePrivateKeyPemProfileMapping,
    SnowflakeUserPasswordProfileMapping,
)
from cosmos.profiles.base import BaseProfileMapping

from mwaa_dbt import secrets_manager
from mwaa_dbt.compat import AirflowNotFoundException, BaseHook
from mwaa_dbt.errors import ConnectionError, MwaaDbtError

Mapping = type[BaseProfileMapping]
_FORMS = (
    'Give it as JSON ({"conn_type": ..., "host": ...}) or as a URI (duckdb://...); docs/connections.md has one of each.'
)
_KNOWN_TYPES = ("duckdb", "snowflake", "google_cloud_platform")


class ConnectionProfileMapping(BaseProfileMapping):
    """The mapping that fits the connection, chosen when the task runs: a DAG file never looks at a connection."""

    dbt_profile_type = "connection"

    @cached_property
    def resolved(self) -> BaseProfileMapping:
        """Cosmos' mapping for this connection.

        Raises:
            ConnectionError: if the connection is missing, of an unknown type, lacks a field or has an unusable one.
            MwaaDbtError: if it can't be had now.
        """
        connection = get_connection(self.conn_id)
        mapping = choose(connection)(self.conn_id, profile_args=self.profile_args)
        mapping._conn = connection  # else Cosmos would ask Secrets Manager once more (cosmos/profiles/base.py, `conn`)
        with _usable(mapping):
            _check_fields(mapping)
        return mapping

    @property
    def profile(self) -> dict[str, Any]:
        """The profile's target, with ``env_var()`` in place of every secret.

        Raises:
            ConnectionError: as `resolved`, or if a field's value can't be used.
        """
        with _usable(self.resolved):
            return self.resolved.profile

    @property
    def env_vars(self) -> dict[str, str]:
        """The secrets, by the names that the profile refers to. Raises as `profile` does."""
        with _usable(self.resolved):
            return self.resolved.env_vars


@contextmanager
def _usable(mapping: BaseProfileMapping) -> Iterator[None]:
    """Say in words what Cosmos can't make of a connection; the text holds no value of it."""
    try:
        yield
    except (TypeError, ValueError) as error:
        text = f"A field of the connection {mapping.conn_id!r} has a value that can't be used ({type(error).__name__})."
        if isinstance(mapping, GoogleCloudServiceAccountDictProfileMapping):
            text = (
                f"keyfile_dict of the connection {mapping.conn_id!r} is no service account's key: it must be the JSON "
                f"object that Google gave, with {' and '.join(mapping.secret_fields)}."
            )
        raise ConnectionError(text) from None  # the cause may quote the value


def get_connection(conn_id: str) -> Connection:
    """Return the connection `conn_id`; where it is missing though its secret exists, asks once more.

    Raises:
        ConnectionError: if it isn't there; the text says why, as far as Secrets Manager tells.
        MwaaDbtError: if it can't be had now, so that a retry may find it: Secrets Manager is away or throttles.
    """
    return _get_connection(conn_id, again=True)


def _get_connection(conn_id: str, again: bool) -> Connection:
    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as error:
        missing = secrets_manager.explain_missing(conn_id)
        if missing.exists and again:  # away when Airflow asked, back when we did?
            return _get_connection(conn_id, again=False)
        if missing.passes:
            raise MwaaDbtError(f"{missing.words} That may pass: tried again if a try is left.") from error
        raise ConnectionError(missing.words) from error
    except ValueError as error:  # the secret's text is no connection
        raise ConnectionError(f"The secret of the connection {conn_id!r} can't be read as one. {_FORMS}") from error


def choose(connection: Connection) -> Mapping:
    """Return Cosmos' mapping for `connection`.

    Raises:
        ConnectionError: if its type has none, or it says no way to log in.
    """
    extra = connection.extra_dejson
    match connection.conn_type:
        case "duckdb":
            return DuckDBUserPasswordProfileMapping
        case "snowflake":
            return _choose_snowflake(connection, extra)
        case "google_cloud_platform":
            if _field(extra, "keyfile_dict", "google_cloud_platform"):
                return GoogleCloudServiceAccountDictProfileMapping
            if _field(extra, "key_path", "google_cloud_platform"):
                return GoogleCloudServiceAccountFileProfileMapping
            return GoogleCloudOauthProfileMapping
    if not connection.conn_type:  # Airflow takes any text for a URI, and then finds no scheme in it
        raise ConnectionError(f"The connection {connection.conn_id!r} has no type. {_FORMS}")
    raise ConnectionError(
        f"The connection {connection.conn_id!r} has the type {connection.conn_type!r}, unknown to dbt here. "
        f"Known types: {', '.join(_KNOWN_TYPES)}."
    )


def _choose_snowflake(connection: Connection, extra: dict[str, Any]) -> Mapping:
    # Key pair first: Snowflake no longer lets programs in by password alone.
    if _field(extra, "private_key_content", "snowflake"):
        encrypted, plain = SnowflakeEncryptedPrivateKeyPemProfileMapping, SnowflakePrivateKeyPemProfileMapping
    elif _field(extra, "private_key_file", "snowflake"):
        encrypted, plain = SnowflakeEncryptedPrivateKeyFilePemProfileMapping, SnowflakePrivateKeyFilePemProfileMapping
    elif connection.password:
        return SnowflakeUserPasswordProfileMapping
    else:
        raise ConnectionError(
            f"The Snowflake connection {connection.conn_id!r} says no way to log in: put private_key_content or "
            "private_key_file into its extra (password = the key's passphrase), or a password."
        )
    return encrypted if connection.password else plain


def _field(extra: dict[str, Any], name: str, conn_type: str) -> Any:
    # The older spelling of a field in extra, as Airflow's forms wrote it (cosmos/profiles/base.py, `get_dbt_value`).
    return extra.get(name) or extra.get(f"extra__{conn_type}__{name}")


def _check_fields(mapping: BaseProfileMapping) -> None:
    missing = [name for name in mapping.required_fields if not mapping.get_dbt_value(name)]
    if not missing:
        return
    places = []
    for name in missing:
        place = mapping.airflow_param_mapping.get(name, name)
        places.append(f"{name} ({place if isinstance(place, str) else place[0]})")
    raise ConnectionError(
        f"The {mapping.airflow_connection_type} connection {mapping.conn_id!r} lacks {', '.join(places)}. "
        "In brackets: the connection's field that holds it."
    )
