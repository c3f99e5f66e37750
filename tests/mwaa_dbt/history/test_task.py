"""Operators with the real dbt: what history says of a run, a failure, failing tests and what never began."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from mwaa_dbt.errors import ConfigurationError, DbtError, DbtTestsFailed
from mwaa_dbt.history import files

from tests.mwaa_dbt import rendering
from tests.mwaa_dbt.history.conftest import Store, context
from tests.mwaa_dbt.history.test_fields import fields
from tests.mwaa_dbt.test_operators import filled, warehouse

__all__ = ["filled", "warehouse"]


def execute(task_id: str, **form: Any) -> Any:
    """Run the task of the zoo as a worker does; return its task instance."""
    task = rendering.ours("zoo", form=True).get_task(f"all.{task_id}")
    given = context(task, **form)
    try:
        task.execute(given)
    except (DbtError, ConfigurationError) as error:
        given["ti"].error = error
    return given["ti"]


def test_a_model_and_its_tests(warehouse: Path, workspace: Path, store: Store, venv: Path) -> None:
    ti = execute("fct_orders.run")
    tested = execute("fct_orders.test")
    found = store.results()
    assert len({one["result_id"] for one in found}) == len(found), "every result once"
    # The project's hooks ran in both commands.
    by_node = {one["node"]: one for one in found if one["resource_type"] != "operation"}
    assert len(by_node) == len([one for one in found if one["resource_type"] != "operation"]) > 1
    assert all(set(one) == set(fields()) for one in by_node.values())
    run = by_node["model.zoo.fct_orders"]
    manifest = json.loads((workspace / "zoo" / "build" / "manifest.json").read_text())
    assert run["checksum"] == manifest["nodes"]["model.zoo.fct_orders"]["checksum"]["checksum"]
    assert run["manifest"] == files.manifest_digest(workspace / "zoo")
    assert (run["status"], run["command"], run["target"], run["project"]) == ("success", "run", "dev", "zoo")
    assert (run["dag_id"], run["run_id"], run["task_id"]) == ("compared", "r1", "all.fct_orders.run")
    assert run["result_id"] == f"{ti.id}-1/model.zoo.fct_orders"
    assert run["versions"]["dbt-core"] == manifest["metadata"]["dbt_version"]
    assert {"airflow", "cosmos", "python", "dbt-duckdb"} < set(run["versions"])
    assert run["execution_seconds"] > 0
    assert run["task_seconds"] >= run["worker_seconds"] > run["execution_seconds"]
    seconds = sum(one["worker_seconds"] for one in found if one["task_id"] == run["task_id"])
    assert seconds == pytest.approx(run["task_seconds"], abs=0.01), "a task's time is shared out, once"
    assert run["depends_on"] == manifest["nodes"]["model.zoo.fct_orders"]["depends_on"]["nodes"]
    assert run["relation"] == '"zoo"."main"."fct_orders"'
    sql = store.body(store.place.sql(run["compiled_sql"])).decode()
    assert "__dbt__cte__int_ephemeral" in sql
    tests = [one for one in by_node.values() if one["resource_type"] == "test"]
    assert {one["task_id"] for one in tests} == {"all.fct_orders.test"}
    assert {one["status"] for one in tests} == {"pass"}
    assert {one["about"] for one in tests} == {"model.zoo.fct_orders"}
    seconds = sum(one["worker_seconds"] for one in found if one["task_id"] == "all.fct_orders.test")
    assert seconds == pytest.approx(tests[0]["task_seconds"], abs=0.01)
    assert {one["result_id"].partition("/")[0] for one in tests} == {f"{tested.id}-1"}


def test_failures_are_kept_in_dbts_words(warehouse: Path, store: Store) -> None:
    ti = execute("fct_divided.run", vars={"number": "many"})
    assert isinstance(ti.error, DbtError)
    execute("fct_divided.run", vars={"number": 7})
    ti = execute("fct_divided.test", vars={"number": 7})
    assert isinstance(ti.error, DbtTestsFailed)
    runs = [(one["status"], one["message"]) for one in store.results() if one["node"] == "model.zoo.fct_divided"]
    assert sorted(status for status, _ in runs) == ["error", "success"]
    assert "Could not convert string 'many' to INT32" in next(text for status, text in runs if status == "error")
    failed = [one for one in store.results() if one["status"] == "fail"]
    assert [(one["name"], one["failures"]) for one in failed] == [("accepted_values_fct_divided_number__False__1", 1)]


def test_what_fails_before_dbt_has_results_is_kept_too(warehouse: Path, workspace: Path, store: Store) -> None:
    model = workspace / "zoo" / "models" / "marts" / "fct_divided.sql"
    model.write_text(model.read_text() + "{{ this is not jinja }}")
    assert isinstance(execute("fct_divided.run").error, DbtError)
    (result,) = store.results()
    assert (result["node"], result["status"]) == ("model.zoo.fct_divided", "error")
    assert "Compilation Error" in result["message"]
    task = rendering.ours("zoo").get_task("all.fct_divided.test")
    shutil.rmtree(workspace / "zoo")
    with pytest.raises(ConfigurationError):
        task.execute(context(task))
    (result,) = (one for one in store.results() if one["command"] == "test")
    assert "There is no dbt project" in result["message"]


def test_a_killed_task(warehouse: Path, store: Store) -> None:
    task = rendering.ours("zoo", form=True).get_task("all.fct_slow_run")
    given = context(task, vars={"rows": 3_000_000})

    def work() -> None:
        with contextlib.suppress(DbtError):
            task.execute(given)

    thread = threading.Thread(target=work)
    thread.start()
    me = psutil.Process()
    deadline = time.monotonic() + 120
    while not any("fct_slow" in " ".join(p.cmdline()) for p in me.children(recursive=True)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(1)
    task.on_kill()
    thread.join(30)
    (result,) = store.results()
    assert (result["node"], result["status"]) == ("model.zoo.fct_slow", "killed")


def test_secrets_that_airflow_knows_are_masked(warehouse: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mwaa_dbt.history.task.redact", lambda text: str(text).replace("many", "***"))
    execute("fct_divided.run", vars={"number": "many"})
    (result,) = (one for one in store.results() if one["resource_type"] != "operation")
    assert "Could not convert string '***'" in result["message"]
    assert "many" not in json.dumps(result)
    sql = store.body(store.place.sql(result["compiled_sql"])).decode()
    assert "many" not in sql
    assert hashlib.sha256(sql.encode()).hexdigest() == result["compiled_sql"]


def test_switched_off_or_without_a_bucket_nothing_is_done(
    warehouse: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__HISTORY", "False")
    execute("fct_divided.run", vars={"number": 7})
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__HISTORY", "True")
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__BUCKET", "")
    execute("fct_divided.run", vars={"number": 7})
    assert store.keys() == []
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__HISTORY", "s3://bucket/prefix")
    assert "[mwaa_dbt] history must be True or False" in str(execute("fct_divided.run").error)


def test_checksums_are_dbts(built: Path) -> None:
    manifest = json.loads((built / "flights" / "build" / "manifest.json").read_text())
    compared = 0
    for unique_id, node in manifest["nodes"].items():
        in_yml = node["original_file_path"].endswith(".yml")
        if node["resource_type"] in ("model", "snapshot", "test", "seed") and node["checksum"]["name"] == "sha256":
            if in_yml:  # of text that dbt makes of it
                continue
            entry = files.entry(built / "flights", unique_id)
            assert files.checksum(built / "flights", entry) == node["checksum"]["checksum"], unique_id
            compared += 1
    assert compared > 25


def test_what_every_task_imports_is_light() -> None:
    line = (
        "import sys, mwaa_dbt.history.recording; print({'airflow', 'boto3', 'botocore', 'urllib3'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
