"""A booted environment: what `up`, `status` and a change of the project do."""

import sqlite3

import pytest

from mwaactl.local import health
from tests.local_environment import LocalEnvironment, as_json

pytestmark = pytest.mark.end_to_end


def test_status_says_that_all_is_well(environment: LocalEnvironment) -> None:
    done = environment.cli("status", "--format", "json")
    found = as_json(done)
    assert done.returncode == 0, done.stderr
    assert found["healthy"] is True
    assert set(found["components"]) == {"api-server", "scheduler", "dag-processor", "triggerer"}
    assert {"flights_load", "flights_transform"} <= {dag["dag_id"] for dag in found["dags"]}


def test_no_connection_lives_in_airflows_database(environment: LocalEnvironment) -> None:
    with sqlite3.connect(environment.layout.airflow_home / "airflow.db") as database:
        assert database.execute("select count(*) from connection").fetchone() == (0,)
    assert environment.api.get("/connections")["total_entries"] == 0


def test_a_broken_dag_is_said_in_words_and_reaches_nobody(environment: LocalEnvironment) -> None:
    broken = environment.source / "dags" / "broken.py"
    broken.write_text("from airflow.sdk import DAG\nimport nowhere_to_be_found\nDAG('broken')\n")
    try:
        done = environment.cli("up")
        assert done.returncode == 1
        assert "broken.py can't be imported" in done.stderr
        assert "nowhere_to_be_found" in done.stderr
        assert not (environment.layout.dags / "broken.py").exists(), "it was refused before the first upload"
        assert environment.cli("status").returncode == 0
    finally:
        broken.unlink()


def test_a_deleted_dag_disappears(environment: LocalEnvironment) -> None:
    extra = environment.source / "dags" / "extra.py"
    extra.write_text("from airflow.sdk import DAG\ndag = DAG('extra')\n")
    try:
        environment.up()
        assert "extra" in {dag["dag_id"] for dag in environment.api.all("/dags", "dags", exclude_stale=True)}
    finally:
        extra.unlink()
    environment.up()
    assert not (environment.layout.dags / "extra.py").exists()
    assert health.import_errors(environment.api) == []


def test_an_unknown_dag_is_refused_with_the_names_of_those_there_are(environment: LocalEnvironment) -> None:
    done = environment.cli("trigger", "flihgts_load")
    assert done.returncode == 1
    assert "flights_load" in done.stderr
