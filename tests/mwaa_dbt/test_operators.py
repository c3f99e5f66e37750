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
from mwaa_dbt import operators, settings
from mwaa_dbt.errors import ConfigurationError, DbtError, DbtTestsFailed
from mwaa_dbt.process import DbtProcess, DbtRequest

from mwaactl.local.layout import REPOSITORY
from tests.mwaa_dbt import rendering

FORM = {"select": None, "exclude": None, "full_refresh": False, "target": "dev", "vars": None}


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


class _AskedError(Exception):
    """Instead of running dbt."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, connection: Callable[..., str], dbt_root: Path) -> list[DbtRequest]:
    """The requests that operators make; dbt doesn't run."""
    made: list[DbtRequest] = []

    def keeping(request: DbtRequest, **_: Any) -> DbtProcess:
        made.append(request)
        raise _AskedError

    monkeypatch.setattr(operators, "start", keeping)
    for target in ("dev", "prod"):
        connection(f"zoo_{target}", conn_type="duckdb", host=f"/data/{target}.duckdb")
    return made


def execute(task_id: str, **form: Any) -> Any:
    """Run the task of the zoo as a worker does, with the given `form`; return the operator."""
    task = rendering.ours("zoo", form=True).get_task(f"all.{task_id}")
    ti = SimpleNamespace(task=task, task_id=task.task_id, dag_id="compared", run_id="r1", try_number=1, map_index=-1)
    task.execute({"params": {**FORM, **form}, "run_id": "r1", "ti": ti, "task_instance": ti, "task": task})
    return task


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
    assert not isinstance(error.value, AirflowFailException), "a retry may mend it"
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


def test_the_form_reaches_the_command(asked: list[DbtRequest]) -> None:
    with pytest.raises(_AskedError):
        execute("fct_orders.run", full_refresh=True, target="prod", vars={"number": 2, "text": "a b"})
    args = asked[-1].args
    assert args[:3] == ["run", "--select", "fqn:zoo.marts.fct_orders"]
    assert "--full-refresh" in args
    assert args[args.index("--target") + 1] == "prod"
    given = args[args.index("--vars") + 1]
    assert "number: 2" in given
    assert "text: a b" in given
    with pytest.raises(_AskedError):
        execute("fct_orders.run")
    assert "--full-refresh" not in asked[-1].args
    assert "--vars" not in asked[-1].args
    assert asked[-1].args[-1] == "dev"


def test_excluded_tests_are_not_run(asked: list[DbtRequest]) -> None:
    with pytest.raises(_AskedError):
        execute("fct_orders.test", exclude="unique_fct_orders_order_id")
    args = asked[-1].args
    excluded = args[args.index("--exclude") + 1].split()
    assert "unique_fct_orders_order_id" in excluded
    assert "assert_no_sale_is_lost" in excluded, "what the graph excluded stays excluded"
    with pytest.raises(_AskedError):
        execute("fct_divided.run", exclude="fct_slow")
    assert "--exclude" not in asked[-1].args


def test_the_groups_tests_follow_the_selection(asked: list[DbtRequest]) -> None:
    with pytest.raises(_AskedError):
        execute("zoo_test", select="int_paid fct_orders")
    args = asked[-1].args
    assert args[args.index("--select") + 1] == "int_paid"


def test_the_command_has_no_shell_and_no_secret(asked: list[DbtRequest], connection: Callable[..., str]) -> None:
    extra = {"account": "acc", "database": "DB", "warehouse": "WH"}
    connection("zoo_dev", conn_type="snowflake", login="me", password="hunter22", schema="S", extra=extra)
    with pytest.raises(_AskedError):
        execute("fct_orders.run", vars={"text": "$(id); `id`"})
    request = asked[-1]
    assert "hunter22" in request.env.values()
    assert "hunter22" not in " ".join(request.args)
    assert "hunter22" not in repr(request)
    assert {request.env[name] for name in request.secrets} == {"hunter22"}


def test_venv_missing_or_half_built(asked: list[DbtRequest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "dbt_venv"
    monkeypatch.setenv("DBT_VENV_PATH", str(home))
    with pytest.raises(ConfigurationError, match=r"There is no dbt at .*dbt_venv/bin/dbt.*startup\.sh") as error:
        execute("fct_orders.run")
    assert isinstance(error.value, AirflowFailException)
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "dbt").touch()
    with pytest.raises(ConfigurationError, match="is half built"):
        execute("fct_orders.run")
    assert not asked
    (home / settings.VENV_MARKER).touch()
    with pytest.raises(_AskedError):
        execute("fct_orders.run")


def test_the_marker_is_the_one_that_startup_sh_writes() -> None:
    script = (REPOSITORY / "startup.sh").read_text()
    assert f'marker="${{DBT_VENV_PATH}}/{settings.VENV_MARKER}"' in script
    assert script.index('>"$marker"') > script.index("pip install")


def test_project_gone_after_the_dag_was_parsed(
    workspace: Path, connection: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    connection("zoo_dev", conn_type="duckdb", host="/data/x.duckdb")
    task = rendering.ours("zoo").get_task("all.fct_orders.run")
    shutil.rmtree(workspace / "zoo")
    with pytest.raises(ConfigurationError, match=r"There is no dbt project in .*/zoo \(dbt_project.yml is missing\)"):
        task.execute({"params": {}, "run_id": "r1", "ti": SimpleNamespace(task=task)})


def test_a_missing_connection_is_said_before_dbt_starts(dbt_root: Path) -> None:
    with pytest.raises(ConfigurationError, match="There is no connection 'zoo_dev'"):
        execute("fct_orders.run")


def test_the_warehouse_file_being_locked_has_a_hint(warehouse: Path, venv: Path) -> None:
    script = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [venv / "bin" / "python", "-c", script, warehouse], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout
        assert holder.stdin
        holder.stdout.readline()
        with pytest.raises(DbtError, match=r"(?s)Could not set lock on file.*one slot \(\[mwaa_dbt\] pool\)"):
            execute("fct_divided.run")
        holder.stdin.close()
