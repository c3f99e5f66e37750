"""Flights, with a real day loaded: warm and plain dbt give the same tables and the same history.

What a run stamps (when rows were loaded, dbt's own times) is left out; everything else is compared, row by row.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import BaseOperator
from mwaa_dbt import DbtProject
from mwaa_dbt.node_operators import DbtBuildVirtualenvOperator

from mwaactl import landing

DAY = "2013-01-01"
#: Prints each table as {"schema.table": [columns, rows]}, without the columns whose values are the run's time.
TABLES = """\
import duckdb, json, sys
db = duckdb.connect(sys.argv[1], read_only=True)
found = {}
for schema, table in db.execute("select table_schema, table_name from information_schema.tables").fetchall():
    columns = [c[0] for c in db.execute(f'describe "{schema}"."{table}"').fetchall()]
    kept = [c for c in columns if not c.endswith("loaded_at") and not c.startswith("dbt_")]
    rows = db.execute(f'select {", ".join(chr(34) + c + chr(34) for c in kept)} from "{schema}"."{table}"').fetchall()
    found[f"{schema}.{table}"] = [columns, sorted(map(repr, rows))]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The raw files, as they land."""
    folder = tmp_path_factory.mktemp("landed")
    landing.write_landing(folder)
    return folder


def tasks(landed: Path, keep: Callable[..., None]) -> Iterator[BaseOperator]:
    """Yield the tasks of a first day: load, build all, load the day again, build all again."""
    flights = DbtProject("flights")
    yield flights.run_operation("create", "create_raw_tables")
    for number in (1, 2):
        for table in ("flights", "weather", "planes"):
            day = {} if table == "planes" else {"day": DAY}
            path = landed / (f"{table}/{DAY}.csv.gz" if day else f"{table}.csv.gz")
            yield flights.run_operation(f"{table}_{number}", "load_raw", {"table": table, "path": str(path), **day})
        yield DbtBuildVirtualenvOperator(task_id=f"build_{number}", callback=keep, **flights.task_args())


def run(landed: Path) -> list[list[Any]]:
    """Run the tasks as a worker does; return the history that dbt wrote of each build, without its times."""
    history: list[list[Any]] = []

    def keep(workspace: str, **_: Any) -> None:
        results = json.loads((Path(workspace) / "target" / "run_results.json").read_text())["results"]
        timed = ("execution_time", "timing", "thread_id")
        plain = [{key: value for key, value in result.items() if key not in timed} for result in results]
        history.append(sorted(plain, key=lambda result: str(result["unique_id"])))

    for task in tasks(landed, keep):
        ti = SimpleNamespace(task=task, task_id=task.task_id, dag_id="d", run_id="r", try_number=1, map_index=-1)
        task.execute({"params": {}, "run_id": "r", "ti": ti, "task_instance": ti, "task": task})
    return history


@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("dbt_root", "_short_tmp")
def test_warm_and_plain_give_the_same_tables_and_history(
    landed: Path,
    venv: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    connection: Callable[..., str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = {}
    for warm in (True, False):
        caplog.clear()
        monkeypatch.setenv("AIRFLOW__MWAA_DBT__WARM", str(warm))
        warehouse = tmp_path / str(warm) / "flights_dev.duckdb"
        warehouse.parent.mkdir()
        connection("flights_dev", conn_type="duckdb", host=str(warehouse))
        history = run(landed)
        assert caplog.text.count("dbt is warm") == (9 if warm else 0)
        assert caplog.text.count("as a plain process") == (0 if warm else 9)
        command = [str(venv / "bin" / "python"), "-c", TABLES, str(warehouse)]
        tables = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        found[warm] = tables, history
    tables, history = found[True]
    assert len(tables) > 25
    assert len(tables["dev_marts.fct_flights"][1]) > 800, "the flights of a day are there"
    assert [len(one) > 100 for one in history] == [True, True]
    assert tables.keys() == found[False][0].keys()
    for name, table in tables.items():
        assert digest(table) == digest(found[False][0][name]), name
    assert history == found[False][1]


def digest(table: list[Any]) -> tuple[list[str], int, str]:
    """Return columns, number of rows, and a hash of the rows: short to read when they differ."""
    columns, rows = table
    return columns, len(rows), hashlib.sha256("\n".join(rows).encode()).hexdigest()
