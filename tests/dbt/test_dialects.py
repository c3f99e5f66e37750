"""The project compiles for the three warehouses, without one: an existing table is said to exist (driver.py)."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.dbt.harness import Dbt

FOREIGN = {
    "snowflake": r"::|\bread_csv\b|\bfloat64\b|\bmake_date\(|`|\bdatetime_add\b|\bdouble\b",
    "bigquery": r"::|\bread_csv\b|\bvarchar\b|\btext\b|\bmake_date\(|\bdate_from_parts\b|\bdouble\b|\bdateadd\b",
    "duckdb": r"`|\bfloat64\b|\bdate_from_parts\b|\bdatetime_add\b|\bto_hex\b",
}


@pytest.fixture(scope="module", params=["duckdb", "snowflake", "bigquery"])
def compiled(request: pytest.FixtureRequest, dbt: Dbt, dummy_profiles: Path) -> dict[str, Any]:
    """The compiled code of every node, and of the fact table's next run."""
    adapter: str = request.param
    place = {"target": "dev"} if adapter == "duckdb" else {"target": adapter, "profiles": dummy_profiles}
    code = {}
    for existing, selected in (([], "*"), (["fct_flights"], "fct_flights")):
        command = ["compile", "--no-populate-cache", "--no-introspect", "--select", selected]
        dbt.run(command, adapter=adapter, existing=existing, **place)  # type: ignore[arg-type]
        found = dbt.manifest(place["target"])["nodes"].values()  # type: ignore[arg-type]
        code[bool(existing)] = {n["unique_id"]: n["compiled_code"] for n in found if n.get("compiled_code")}
    return {"adapter": adapter, "first": code[False], "next": code[True]}


def test_every_node_compiles_to_the_dialect_of_its_warehouse(compiled: dict[str, Any]) -> None:
    assert len(compiled["first"]) > 100
    for name, code in (compiled["first"] | compiled["next"]).items():
        statement = re.sub(r"--.*", "", code)
        assert not re.search(FOREIGN[compiled["adapter"]], statement, re.IGNORECASE), f"{name}:\n{code}"


def test_the_fact_table_compiles_both_ways(compiled: dict[str, Any]) -> None:
    assert "present_days" not in compiled["first"]["model.flights.fct_flights"]
    assert "present_days" in compiled["next"]["model.flights.fct_flights"]


def test_the_code_parses_in_the_dialect(compiled: dict[str, Any]) -> None:
    sqlglot = pytest.importorskip("sqlglot")
    for code in [*compiled["first"].values(), *compiled["next"].values()]:
        sqlglot.parse_one(code, read=compiled["adapter"], error_level=sqlglot.ErrorLevel.RAISE)


@pytest.fixture(scope="module", params=["snowflake", "bigquery"])
def loading(request: pytest.FixtureRequest, dbt: Dbt, dummy_profiles: Path) -> dict[str, Any]:
    """What load_raw would run, statement by statement."""

    def command(**arguments: str) -> list[str]:
        pairs = ", ".join(f'"{name}": "{value}"' for name, value in arguments.items())
        return ["run-operation", "load_raw", "--args", "{" + pairs + ', "dry_run": true}']

    outcomes = dbt.run(
        command(table="flights", path="/tmp/file.csv.gz", day="2013-01-31"),
        command(table="planes", path="/tmp/planes.csv.gz"),
        target=request.param,
        profiles=dummy_profiles,
    )
    flights, planes = ([line.rstrip(";\n") for line in o["lines"] if line.endswith(";\n")] for o in outcomes)
    return {"adapter": request.param, "flights": flights, "planes": planes}


def test_loading_creates_what_is_missing_before_the_transaction(loading: dict[str, Any]) -> None:
    schema, table = loading["flights"][:2]
    assert re.match(r"create schema if not exists .*anna_raw", schema)
    assert re.match(r"create table if not exists .*anna_raw.*flights", table)
    assert re.search(r"_loaded_day date\b", table)
    sql = "\n".join(loading["flights"])
    assert (
        sql.rindex("create ")
        < sql.index("begin")
        < sql.index("delete from")
        < sql.index("insert into")
        < sql.index("commit")
    )


def test_loading_replaces_a_day_or_the_whole_table(loading: dict[str, Any]) -> None:
    day, whole = ("\n".join(loading[table]) for table in ("flights", "planes"))
    assert re.search(r"delete from \S+ where _loaded_day = cast\('2013-01-31' as date\)", day)
    assert re.search(r"delete from \S+ where true", whole)
    assert "_loaded_day" not in whole


def test_loading_names_the_file_once_and_in_the_warehouse_s_way(loading: dict[str, Any]) -> None:
    (upload,) = [statement for statement in loading["flights"] if "/tmp/file.csv.gz" in statement]
    assert upload.startswith(
        {"snowflake": "put 'file:///tmp/file.csv.gz' @", "bigquery": "-- upload /tmp/file.csv.gz to "}[
            loading["adapter"]
        ]
    )


def test_the_statements_of_a_load_parse_in_the_dialect(loading: dict[str, Any]) -> None:
    sqlglot = pytest.importorskip("sqlglot")
    for statement in loading["flights"] + loading["planes"]:
        if not statement.startswith(("put ", "copy ", "create temporary stage")):
            sqlglot.parse(statement, read=loading["adapter"], error_level=sqlglot.ErrorLevel.RAISE)
