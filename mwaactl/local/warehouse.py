"""A look into the local warehouse, without writing to it."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from mwaactl.errors import Problem


@dataclass(frozen=True)
class Sample:
    """A table: how many rows it has, and its first few."""

    name: str
    count: int
    columns: list[str]
    rows: list[tuple[Any, ...]]


def query(path: Path, sql: str, patience: float = 10) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return columns and rows of a query on the DuckDB file `path`, opened read-only.

    Raises Problem when there is no such file, when a dbt task still has it open after `patience` seconds, or when
    DuckDB refuses the query.
    """
    if not path.is_file():
        raise Problem(f"The warehouse {path} is not there.", "Run a DAG that fills it first, e.g. `make run`.")
    deadline = time.monotonic() + patience
    while True:
        try:
            with duckdb.connect(str(path), read_only=True) as connection:
                cursor = connection.execute(sql)
                if cursor is None:
                    raise Problem("The query is empty.", "Give a SELECT, e.g. `select 1`.")
                return [column[0] for column in cursor.description or ()], cursor.fetchall()
        except duckdb.IOException as error:
            if time.monotonic() > deadline:
                raise Problem(f"The warehouse {path} is locked: {error}", "Wait until no task writes to it.") from error
            time.sleep(0.5)
        except duckdb.Error as error:
            raise Problem(f"{path}: {error}", "Correct the query.") from error


def marts(project: Path) -> list[tuple[str, str]]:
    """Return schema and name of each model below models/marts of a dbt project, from its built manifest."""
    manifest = json.loads((project / "build" / "manifest.json").read_text(encoding="utf-8"))
    return sorted(
        (node["schema"], node.get("alias") or node["name"])
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["original_file_path"].startswith("models/marts/")
    )


def samples(path: Path, tables: list[tuple[str, str]], rows: int = 3) -> list[Sample]:
    """Return a sample of each table, found by its name in whatever schema the target put it."""
    _, there = query(path, "select table_schema, table_name from information_schema.tables")
    found = []
    for schema, name in tables:
        schemas = [s for s, n in there if n == name]
        if not schemas:
            continue
        relation = f'"{schema if schema in schemas else schemas[0]}"."{name}"'
        _, ((count,),) = query(path, f"select count(*) from {relation}")  # noqa: S608 - names from the database itself
        columns, first = query(path, f"select * from {relation} limit {rows:d}")  # noqa: S608
        found.append(Sample(name, count, columns, first))
    return found
