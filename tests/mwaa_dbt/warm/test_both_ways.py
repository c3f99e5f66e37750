"""A warm run and a plain one say, write and leave the same."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.mwaa_dbt.warm.conftest import Zoo, folder, servers

COMMANDS = {
    "full refresh": (0, ["run", "--full-refresh", "--select", "fct_orders"]),
    "run with parents": (0, ["run", "--select", "+rpt_sales"]),
    "other target, vars": (0, ["run", "--select", "of_env", "--target", "other", "--vars", "{number: 5}"]),
    "broken model": (1, ["run", "--select", "broken"]),
    "build several": (0, ["build", "--select", "stg_customers+", "--exclude", "fct_divided"]),
    "build failing": (1, ["build", "--select", "int_paid+", "--vars", "{number: 7}"]),
    "test that warns": (0, ["test", "--select", "stg_customers", "warned"]),
    "warning as error": (1, ["test", "--select", "warned", "--warn-error-options", '{"error": ["LogTestResult"]}']),
    "seed": (0, ["seed", "--select", "raw_orders"]),
    "snapshot": (0, ["snapshot"]),
    "source freshness": (1, ["source", "freshness"]),
    "operation": (0, ["run-operation", "shout", "--args", "{word: hello}"]),
    "unknown operation": (2, ["run-operation", "nothing"]),
    "compile": (0, ["compile", "--select", "int_ephemeral"]),
    "list": (0, ["ls", "--select", "+rpt_sales"]),
    "show": (0, ["show", "--select", "int_alone"]),
    "nothing selected": (0, ["run", "--select", "no_such_model"]),
    "unknown option": (2, ["run", "--no-such-option"]),
    "unknown profile": (2, ["run", "--profile", "nobody"]),
}
NOT_SERVED = {"unknown profile"}  # it can't be parsed, and no server starts


def _plain_text(text: str, zoo: Zoo) -> str:
    text = re.sub(rf"{zoo.root}/target\d+", "TARGET", text)
    text = re.sub(r"\d\d:\d\d:\d\d", "TIME", text)
    text = re.sub(r"__dbt_(tmp|backup)\d+", "__dbt_TEMPORARY", text)
    return re.sub(r"\d+\.\d+s|\d+\.\d+ seconds", "SECONDS", text)


def _lines(zoo: Zoo) -> list[str]:
    # Said by a process that parses; a warm one doesn't.
    return [_plain_text(line, zoo) for line in zoo.said if "Unable to do partial parsing" not in line]


def _artifacts(zoo: Zoo) -> dict[str, Any]:
    target = zoo.root / f"target{zoo.runs}"
    found: dict[str, Any] = {}
    for path in sorted(p for p in target.rglob("*") if p.is_file()):
        text = _plain_text(path.read_text(), zoo)
        found[str(path.relative_to(target))] = _lasting(json.loads(text)) if path.suffix == ".json" else text
    return found


def _lasting(value: Any) -> Any:
    """Without what differs between any two runs."""
    passing = {"generated_at", "invocation_id", "invocation_started_at", "elapsed_time", "execution_time", "timing"}
    passing |= {"max_loaded_at_time_ago_in_s", "snapshotted_at"}
    if isinstance(value, dict):
        return {k: _lasting(v) for k, v in value.items() if k not in passing}
    return [_lasting(v) for v in value] if isinstance(value, list) else value


def _files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*")}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_gives_the_same_both_ways(
    shared_zoo: Zoo, name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "mwaa_dbt.process")
    status, args = COMMANDS[name]
    before = _files(shared_zoo.project)
    untouched = tmp_path / "untouched.duckdb"
    shutil.copy(shared_zoo.warehouse, untouched)
    outcomes, tables = [], []
    for warm in (False, True):
        caplog.clear()
        outcomes.append((shared_zoo.run(*args, warm=warm), _lines(shared_zoo), _artifacts(shared_zoo)))
        assert ("dbt is warm" in caplog.text) is (warm and name not in NOT_SERVED), caplog.text
        tables.append(_tables(shared_zoo.warehouse))
        shutil.copy(untouched, shared_zoo.warehouse)
    plain, warm_ = outcomes
    assert plain[0] == status, plain[1]
    assert warm_[0] == plain[0]
    assert "\n".join(warm_[1]) == "\n".join(plain[1])
    assert json.dumps(warm_[2], indent=1, sort_keys=True) == json.dumps(plain[2], indent=1, sort_keys=True)
    assert tables[1] == tables[0]
    assert "manifest.json" not in warm_[2]
    assert "graph_summary.json" not in warm_[2]
    assert _files(shared_zoo.project) == before


@pytest.mark.parametrize("name", ["build several", "build failing", "snapshot"])
def test_dbts_own_executable_gives_the_same(shared_zoo: Zoo, name: str, tmp_path: Path) -> None:
    status, args = COMMANDS[name]
    untouched, target = tmp_path / "untouched.duckdb", tmp_path / "target"
    shutil.copy(shared_zoo.warehouse, untouched)
    assert shared_zoo.run(*args) == status
    ours = _tables(shared_zoo.warehouse), _results(shared_zoo.root / f"target{shared_zoo.runs}")
    shutil.copy(untouched, shared_zoo.warehouse)
    where = ["--project-dir", shared_zoo.project, "--profiles-dir", shared_zoo.root, "--target-path", target]
    command = [shared_zoo.venv / "bin" / "dbt", *args, *where, "--log-path", target]
    dbt = subprocess.run(command, env=shared_zoo.env, cwd=shared_zoo.project, stdout=subprocess.PIPE)
    assert dbt.returncode == status, dbt.stdout.decode()
    assert (_tables(shared_zoo.warehouse), _results(target)) == ours
    shutil.copy(untouched, shared_zoo.warehouse)


def _results(target: Path) -> dict[str, tuple[object, ...]]:
    results = json.loads((target / "run_results.json").read_text())["results"]
    assert results
    told = ("status", "failures", "relation_name", "compiled_code")
    return {one["unique_id"]: tuple(one[name] for name in told) for one in results}


def _tables(warehouse: Path) -> dict[str, int]:
    import duckdb

    with duckdb.connect(str(warehouse), read_only=True) as db:
        names = db.execute("select table_schema, table_name from information_schema.tables order by all").fetchall()
        return {f"{s}.{t}": db.execute(f'select count(*) from "{s}"."{t}"').fetchall()[0][0] for s, t in names}


def test_parse_warnings_are_said_by_every_warm_run(shared_zoo: Zoo) -> None:
    for _ in range(2):  # a target that the release has no parse of: the server's own parse warns
        assert shared_zoo.run("run", "--select", "warned", "--target", "other") == 0
        assert sum("nobody" in line for line in shared_zoo.said) == 1


def test_nothing_but_the_project_and_its_arguments_is_needed(shared_zoo: Zoo) -> None:
    assert shared_zoo.run("run", "--select", "int_alone") == 0
    assert servers()
    assert folder().stat().st_mode & 0o777 == 0o700
