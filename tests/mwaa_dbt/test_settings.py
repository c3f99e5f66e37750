"""Options of the library: documented, and refused in words where they are wrong."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from mwaa_dbt import settings
from mwaa_dbt.errors import ConfigurationError

from mwaactl.local.layout import REPOSITORY

PAGE = REPOSITORY / "docs" / "settings.md"


def table() -> str:
    """Return the table that docs/settings.md must hold."""
    lines = ["| Option | Default | What for |", "|---|---|---|"]
    for name, option in settings.OPTIONS.items():
        default = f"`{option.default}`" if option.default else "(empty)"
        lines.append(f"| `{name}` | {default} | {option.about} |")
    return "\n".join(lines) + "\n"


def test_the_page_lists_every_option_as_it_is() -> None:
    assert table() in PAGE.read_text(), f"put this into docs/settings.md:\n{table()}"


def test_every_option_has_a_function_and_a_default_that_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings.OPTIONS:
        monkeypatch.delenv(f"AIRFLOW__MWAA_DBT__{name.upper()}", raising=False)
    assert settings.target() == "dev"
    assert settings.pool() == "default_pool"
    assert settings.retries() == 2
    assert settings.retry_delay() == timedelta(minutes=5)
    assert settings.warm() is True
    assert settings.compiled_sql() is True
    assert settings.slack_conn_id() == "slack"
    assert settings.slack_channel() == "#data-alerts"
    assert settings.connection_id("flights", "prod") == "flights_prod"
    assert settings.dbt_root() == REPOSITORY / "dags" / "dbt"
    assert settings.dbt_root().is_absolute()
    missing = [name for name in settings.OPTIONS if not hasattr(settings, name) and name != "connection"]
    assert not missing


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("retries", "many", settings.retries),
        ("retries", "-1", settings.retries),
        ("retries", "1.5", settings.retries),
        ("retry_delay", "5m", settings.retry_delay),
        ("warm", "maybe", settings.warm),
        ("compiled_sql", "", settings.compiled_sql),
        ("connection", "{environment}_x", lambda: settings.connection_id("a", "b")),
        ("connection", "{", lambda: settings.connection_id("a", "b")),
        ("connection", "{}", lambda: settings.connection_id("a", "b")),
        ("raw_bucket", "", settings.raw_bucket),
        ("bucket", "", settings.bucket),
        ("history", "s3://b/p", settings.history),
        ("lock_poll", "soon", settings.lock_poll),
        ("lock_grace", "-1", settings.lock_grace),
        ("lock_limit", "4h", settings.lock_limit),
    ],
)
def test_a_bad_value_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, read: object) -> None:
    monkeypatch.setenv(f"AIRFLOW__MWAA_DBT__{name.upper()}", value)
    with pytest.raises(ConfigurationError, match=rf"\[mwaa_dbt\] {name}"):
        read()  # type: ignore[operator]


def test_values_come_from_airflows_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__CONNECTION", "warehouse-{target}-{project}")
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__DBT_ROOT", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__RETRY_DELAY", " 2 ")
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__WARM", "0")
    assert settings.connection_id("flights", "prod") == "warehouse-prod-flights"
    assert settings.dbt_root() == tmp_path
    assert settings.retry_delay() == timedelta(seconds=2)
    assert settings.warm() is False
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__BUCKET_PREFIX", "/team/")
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__LOCK_POLL", "0")
    assert settings.bucket_prefix() == "team"
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__BUCKET", "ours")
    assert str(settings.history()) == "s3://ours/team/mwaactl/history/"
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__HISTORY", "False")
    assert settings.history() is None
    assert settings.lock_poll() == timedelta(seconds=1), "no busy loop"


def test_the_environments_options_are_known_ones() -> None:
    given = yaml.safe_load((REPOSITORY / "infra" / "configuration-options.yaml").read_text())
    ours = {name.removeprefix("mwaa_dbt.") for name in given if name.startswith("mwaa_dbt.")}
    assert ours <= set(settings.OPTIONS)


def test_the_pinned_dbt_is_that_of_the_lock() -> None:
    text = (REPOSITORY / "requirements-dbt.txt").read_text()
    (version,) = re.findall(r"^dbt-core==(\S+)", text, re.MULTILINE)
    assert settings.pinned_dbt_version() == version
