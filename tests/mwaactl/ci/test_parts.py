"""Names of schemas, places of tests, the schema macro of flights, the profile of a connection."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mwaactl.ci import dag_changes, profile, schemas
from mwaactl.environments import Environment
from mwaactl.errors import Problem


@pytest.mark.parametrize(("number", "given", "name"), [(123, None, "pr_123"), (None, "ci_anna", "ci_anna")])
def test_the_schema_of_a_pull_request(number: int | None, given: str | None, name: str) -> None:
    assert schemas.name(number, given) == name


@pytest.mark.parametrize("given", [None, "", "marts", "prod", "pr_", "pr_A", 'pr_1"; drop', "pr-1"])
def test_a_name_that_could_be_somebody_else_s_is_refused(given: str | None) -> None:
    with pytest.raises(Problem) as problem:
        schemas.name(None, given)
    assert problem.value.exit_code == 2


def manifest(*schema_names: str, source: str = "raw") -> dict[str, Any]:
    nodes = {
        f"model.a.m{number}": {
            "unique_id": f"model.a.m{number}",
            "resource_type": "model",
            "schema": schema,
            "database": "db",
            "config": {"materialized": "table"},
        }
        for number, schema in enumerate(schema_names)
    }
    return {"nodes": nodes, "sources": {"source.a.b.c": {"schema": source}}}


def test_every_node_lies_in_the_pull_request_s_schemas() -> None:
    schemas.check("pr_1", manifest("pr_1", "PR_1_MARTS"), manifest("marts", "pr_12"))
    with pytest.raises(Problem, match=r"model\.a\.m1 -> pr_12_marts"):
        schemas.check("pr_1", manifest("pr_1", "pr_12_marts"), None)


def test_production_s_schemas_are_never_taken_for_a_pull_request_s() -> None:
    with pytest.raises(Problem, match="Production itself has the schemas pr_1_marts"):
        schemas.check("pr_1", manifest("pr_1"), manifest("pr_1_marts"))
    with pytest.raises(Problem, match="Production itself has the schemas pr_1"):
        schemas.check("pr_1", manifest("pr_1", source="pr_1"), None)


def task(verb: str, *nodes: str) -> dict[str, Any]:
    return {"verb": verb, "nodes": list(nodes)}


def test_where_each_test_runs() -> None:
    tests = {"test.a.own": ["model.a.m"], "test.a.both": ["model.a.m", "model.a.n"], "test.a.none": ["model.a.o"]}
    after_each = {"dag": {"m.run": task("run", "model.a.m"), "m.test": task("test", "test.a.own"),
                          "both_test": task("test", "test.a.both")}}  # fmt: skip
    built = {"dag": {"m_build": task("build", "model.a.m"), "both_test": task("test", "test.a.both")}}
    assert dag_changes.places_of_tests(after_each, tests) == {
        "test.a.own": "dag.m.test",
        "test.a.both": "dag.both_test",
        "test.a.none": "not on Airflow",
    }
    alone = {"tests": {"m_test": task("test", "test.a.own")}}
    assert dag_changes.places_of_tests({**built, **alone}, tests)["test.a.own"] == "dag.m_build, tests.m_test"
    changes = dag_changes.compare(after_each, built, tests, tests, [])
    assert changes.moved == {"test.a.own": ("dag.m.test", "dag.m_build")}
    assert changes.added == ["dag.m_build"]
    assert changes.removed == ["dag.m.run", "dag.m.test"]


def test_a_connection_becomes_a_profile_without_secrets(
    new_environment: Callable[[str], Environment], tmp_path: Path
) -> None:
    environment = new_environment("profile-bucket")
    secrets = environment.client("secretsmanager")
    extra = {"account": "a", "database": "d", "warehouse": "w"}
    value = {"conn_type": "snowflake", "login": "DBT", "password": "s3cret", "schema": "PUBLIC", "extra": extra}
    secrets.create_secret(Name="airflow/connections/shop_prod", SecretString=json.dumps(value))
    secrets.create_secret(Name="airflow/connections/bad", SecretString=json.dumps({"conn_type": "mysql"}))

    used = profile.of(environment, tmp_path / "shop", tmp_path / "scratch", connection=profile.CONNECTION)
    text = (used.folder / "profiles.yml").read_text()
    assert "account: a" in text
    assert "s3cret" not in text + repr(used)
    assert "s3cret" in used.env.values()
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()]

    with pytest.raises(Problem, match="'mysql', unknown to dbt"):
        profile.of(environment, tmp_path / "shop", tmp_path / "scratch", connection="bad")
    with pytest.raises(Problem, match="airflow/connections/other of prod can't be read"):
        profile.of(environment, tmp_path / "shop", tmp_path / "scratch", connection="other")


def test_a_profile_without_the_target_is_said(
    new_environment: Callable[[str], Environment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DBT_PROFILES_DIR", raising=False)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "profiles.yml").write_text("shop: {outputs: {dev: {type: duckdb}}}")
    with pytest.raises(Problem, match="no output prod for the profile shop"):
        profile.of(new_environment("another-bucket"), tmp_path / "shop", tmp_path)
