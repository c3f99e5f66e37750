"""Operators with the real dbt on a real DuckDB file."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from airflow.sdk.exceptions import AirflowFailException
from mwaa_dbt import operators
from mwaa_dbt.errors import DbtError, DbtFailedForGood, DbtTestsFailed
from mwaa_dbt.process import DbtProcess, DbtRequest

from tests.mwaa_dbt import rendering
from tests.mwaa_dbt.executing import FORM, execute


@pytest.fixture(scope="session")
def filled(shared: Callable[..., Path], built: Path, venv: Path) -> Path:
    """A warehouse in which dbt has built the zoo once."""

    def fill(folder: Path) -> None:
        profile = {"type": "duckdb", "path": str(folder / "zoo.duckdb")}
        (folder / "profiles.yml").write_text(json.dumps({"zoo": {"target": "dev", "outputs": {"dev": profile}}}))
        places = ["--profiles-dir", str(folder), "--target-path", str(folder / "t"), "--log-path", str(folder / "t")]
        command = [str(venv / "bin" / "dbt"), "--quiet", "build", "--exclude", "stg_visits", "source:*", *places]
        subprocess.run(command, cwd=built / "zoo", check=True)

    return shared("warehouse", fill) / "zoo.duckdb"


@pytest.fixture
def warehouse(filled: Path, workspace: Path, tmp_path: Path, connection: Callable[..., str]) -> Path:
    """The warehouse of this test, behind the connection zoo_dev."""
    path = tmp_path / "zoo.duckdb"
    shutil.copy(filled, path)
    connection("zoo_dev", conn_type="duckdb", host=str(path))
    return path


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[DbtRequest]:
    """The requests that operators make of dbt, which runs nevertheless."""
    made: list[DbtRequest] = []
    start = operators.start

    def keeping(request: DbtRequest, **options: Any) -> DbtProcess:
        made.append(request)
        return start(request, **options)

    monkeypatch.setattr(operators, "start", keeping)
    return made


def tree(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}


def rows(path: Path, query: str, venv: Path) -> list[Any]:
    script = "import duckdb, json, sys; print(json.dumps(duckdb.connect(sys.argv[1]).execute(sys.argv[2]).fetchall()))"
    out = subprocess.run([venv / "bin" / "python", "-c", script, path, query], check=True, capture_output=True)
    answer: list[Any] = json.loads(out.stdout)
    return answer


def test_a_green_run(
    warehouse: Path, workspace: Path, venv: Path, requests: list[DbtRequest], caplog: pytest.LogCaptureFixture
) -> None:
    before = tree(workspace)
    os.environ["AIRFLOW__DATABASE__SECRET_FOR_THE_TEST"] = "db-password"
    caplog.set_level(logging.INFO)
    try:
        task = execute("fct_orders.run", full_refresh=True)
    finally:
        del os.environ["AIRFLOW__DATABASE__SECRET_FOR_THE_TEST"]

    assert rows(warehouse, "select count(*), sum(amount) from fct_orders", venv) == [[3, 120]]
    (request,) = requests
    assert "--full-refresh" in request.args
    assert not request.target_path.exists()
    assert tree(workspace) == before, "nothing is written below the project"
    # dbt's environment: the worker's, without what is Airflow's alone
    assert not [name for name in request.env if name.startswith(("AIRFLOW__", "AIRFLOW_CONN_", "AIRFLOW_VAR_"))]
    assert "db-password" not in request.env.values()
    assert "PATH" in request.env
    # dbt's lines: as they are, once, without colour
    lines = [record.getMessage() for record in caplog.records]
    assert len([line for line in lines if "OK created sql incremental model" in line]) == 1
    assert len([line for line in lines if "Completed successfully" in line]) == 1
    assert not [line for line in lines if "\x1b[" in line]
    assert "union" not in str(task.compiled_sql)
    assert "int_ephemeral" in str(task.compiled_sql)


@pytest.mark.parametrize("wanted", ["needed", "all"])
def test_what_is_written_is_what_somebody_uses_or_all(
    warehouse: Path, monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__ARTIFACTS", wanted)
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__WARM", "False")
    kept: list[str] = []

    def keep(_: Any, workspace: str, __: Any) -> None:
        kept.extend(path.name for path in (Path(workspace) / "target").iterdir())

    monkeypatch.setattr(operators.PrebuiltVirtualenv, "_keep", keep)
    execute("fct_orders.run")
    assert "run_results.json" in kept
    heavy = {"manifest.json", "semantic_manifest.json", "graph.gpickle", "graph_summary.json", "partial_parse.msgpack"}
    assert heavy.intersection(kept) == (heavy if wanted == "all" else set())


def test_a_failing_model_fails_in_dbts_words(warehouse: Path) -> None:
    with pytest.raises(DbtError) as error:
        execute("fct_divided.run", vars={"number": "many"})
    words = str(error.value)
    assert "dbt run failed (models/marts/fct_divided.sql)" in words
    assert "model fct_divided" in words
    assert "Could not convert string 'many' to INT32" in words
    assert "exit code" not in words
    assert isinstance(error.value, AirflowFailException), "the data stays what it is"
    assert words.endswith("Not tried again, since it would only fail again: the data doesn't fit.")
    assert [node.name for node in error.value.outcome.failed_nodes] == ["model fct_divided"]


def test_a_failing_test_is_never_retried(warehouse: Path) -> None:
    execute("fct_divided.run", vars={"number": 7})
    with pytest.raises(DbtTestsFailed) as error:
        execute("fct_divided.test", vars={"number": 7})
    assert isinstance(error.value, AirflowFailException)
    assert "accepted_values_fct_divided_number" in str(error.value)
    assert "Got 1 result, configured to fail if != 0" in str(error.value)


def test_a_node_that_dbt_doesnt_know_is_no_success(warehouse: Path, workspace: Path) -> None:
    (workspace / "zoo" / "models" / "intermediate" / "int_alone.sql").unlink()
    with pytest.raises(DbtError, match="build the manifest again"):
        execute("int_alone_run")


def test_a_model_of_a_table_that_is_missing_is_never_retried(warehouse: Path, workspace: Path) -> None:
    (workspace / "zoo" / "models" / "intermediate" / "int_alone.sql").write_text("select * from no_such_table")
    with pytest.raises(DbtFailedForGood, match=r"Not tried again.*: a table, view, schema or function is missing"):
        execute("int_alone_run")


def test_on_kill_ends_dbt(warehouse: Path, requests: list[DbtRequest]) -> None:
    task = rendering.ours("zoo", form=True).get_task("all.fct_slow_run")
    context = {"params": {**FORM, "vars": {"rows": 3_000_000}}, "run_id": "r1", "ti": SimpleNamespace(task=task)}
    ended: list[BaseException] = []

    def work() -> None:
        try:
            task.execute(context)
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    me = psutil.Process()
    deadline = time.monotonic() + 60
    while not any("fct_slow" in " ".join(p.cmdline()) for p in me.children(recursive=True)):
        assert time.monotonic() < deadline
        assert thread.is_alive(), ended
        time.sleep(0.1)
    (dbt,) = [p for p in me.children(recursive=True) if "fct_slow" in " ".join(p.cmdline())]
    time.sleep(1)
    task.on_kill()
    thread.join(30)
    assert not thread.is_alive()
    assert isinstance(ended[0], DbtError)
    assert not dbt.is_running() or dbt.status() == psutil.STATUS_ZOMBIE


def test_the_warehouse_file_being_locked_has_a_hint(warehouse: Path, venv: Path) -> None:
    script = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [venv / "bin" / "python", "-c", script, warehouse], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout
        assert holder.stdin
        holder.stdout.readline()
        with pytest.raises(DbtError, match=r"(?s)Could not set lock on file.*one slot \(\[mwaa_dbt\] pool\)") as error:
            execute("fct_divided.run")
        holder.stdin.close()
    assert not isinstance(error.value, AirflowFailException), "it passes"
    assert "The next try may succeed (the warehouse was busy)" in str(error.value)
    assert "File " not in str(error.value), "dbt's words, and no Python"
