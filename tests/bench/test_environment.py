"""The benchmark's Airflow has nothing to do with AWS, whatever the shell that starts it has."""

from collections import defaultdict
from pathlib import Path

import pytest
from mwaa_dbt import settings

from bench.environment import Environment


@pytest.fixture
def variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the environment of the benchmark's Airflow, started from a shell that is logged in to AWS."""
    monkeypatch.setenv("AWS_PROFILE", "somebody")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    environment = Environment(lambda _: None, tmp_path)
    environment.venv, environment.ports = tmp_path / "venv", defaultdict(lambda: 8080)
    return environment.variables({})


def test_it_has_no_credentials_and_looks_for_none(variables: dict[str, str]) -> None:
    assert {name: value for name, value in variables.items() if name.startswith("AWS_")} == {
        "AWS_EC2_METADATA_DISABLED": "true"
    }


def test_its_tasks_keep_no_history(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        if name.startswith("AIRFLOW__MWAA_DBT__"):
            monkeypatch.setenv(name, value)
    assert settings.history() is None
    assert not settings.has_bucket()
    assert variables["AIRFLOW__MWAA_DBT__HISTORY"] == "False"
