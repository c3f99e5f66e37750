"""What dbt is started with, and what becomes of its lines."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from mwaa_dbt import process
from mwaa_dbt.process import DbtRequest, start
from mwaa_dbt.warm import memory
from mwaa_dbt.warm.identity import UnservedError, parse_arguments


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that runs in place of dbt's launcher."""
    path = tmp_path / "script.py"
    monkeypatch.setattr(process, "LAUNCHER", path)
    return path


def request(tmp_path: Path, venv: Path, **env: str) -> DbtRequest:
    where = {"project_dir": tmp_path, "target_path": tmp_path / "target"}
    return DbtRequest(venv, ["run"], {**os.environ, **env}, frozenset(), **where)


def test_lines_come_as_they_are_written_without_colours(script: Path, tmp_path: Path, venv: Path) -> None:
    script.write_text(
        "import sys, time\nprint('\\x1b[31mred\\x1b[0m', flush=True)\ntime.sleep(0.5)\n"
        "sys.stderr.write('half'); sys.stderr.flush(); time.sleep(0.2); print(' and half\\r'); sys.stdout.write('rest')"
    )
    seen: list[str] = []
    assert start(request(tmp_path, venv), warm=False).run(seen.append) == 0
    assert seen == ["red", "half and half", "rest"]


def test_a_process_that_dbt_leaves_behind_doesn_t_hold_the_task(script: Path, tmp_path: Path, venv: Path) -> None:
    script.write_text("import subprocess, sys\nsubprocess.Popen(['sleep', '30'])\nprint('done')\nsys.exit(3)")
    seen: list[str] = []
    assert start(request(tmp_path, venv), warm=False).run(seen.append) == 3
    assert seen == ["done"]


def test_a_death_by_signal_is_its_negative_number(script: Path, tmp_path: Path, venv: Path) -> None:
    script.write_text("import os\nos.kill(os.getpid(), 9)")
    assert start(request(tmp_path, venv), warm=False).run(str) == -9


def test_who_ignores_the_kind_signals_is_killed(script: Path, tmp_path: Path, venv: Path) -> None:
    script.write_text(
        "import signal, time\nsignal.signal(2, signal.SIG_IGN)\nsignal.signal(15, signal.SIG_IGN)\n"
        "print('up', flush=True)\ntime.sleep(60)"
    )
    running = start(request(tmp_path, venv), warm=False)
    assert running.run(lambda line: running.kill(grace=0.2)) == -9


def test_the_caller_s_environment_goes_before_our_defaults(tmp_path: Path, venv: Path) -> None:
    env = request(tmp_path, venv, DBT_USE_COLORS="true").environment()
    assert env["DBT_USE_COLORS"] == "true"
    assert env["DO_NOT_TRACK"] == "1"
    assert "DBT_PARTIAL_PARSE_FILE_PATH" not in env
    assert env["DBT_CACHE_SELECTED_ONLY"] == "true"
    everything = request(tmp_path, venv, MWAA_DBT_ALL_ARTIFACTS="1").environment()
    assert "DBT_CACHE_SELECTED_ONLY" not in everything
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "partial_parse.prod.msgpack").touch()
    released = str(tmp_path / "build" / "partial_parse.prod.msgpack")
    for target, found in (("prod", released), ("dev", None)):
        asked = replace(request(tmp_path, venv), args=["run", "--target", target])
        assert asked.environment().get("DBT_PARTIAL_PARSE_FILE_PATH") == found


def test_a_request_shows_no_secret(tmp_path: Path, venv: Path) -> None:
    assert "hunter2" not in repr(request(tmp_path, venv, PASSWORD="hunter2"))


def test_only_what_parsing_depends_on_makes_a_server_another() -> None:
    where = ["--project-dir", "p", "--profiles-dir", "q"]
    arguments = parse_arguments(["run", "--select", "a", "--vars", "{x: 1}", "--target=dev", "--full-refresh", *where])
    assert arguments == ["--vars", "{x: 1}", "--target=dev", *where]
    inline = ["show", "--inline", "select 1"]
    for refused in (["deps"], ["source"], [], ["run", "--state=x"], ["build", "--defer"], inline):
        with pytest.raises(UnservedError):
            parse_arguments(refused)


def test_memory_is_what_the_narrowest_limit_leaves(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    2048 kB\n")
    (tmp_path / "own").write_text("0::/a/b\n")
    for name, limit, used in (("a", "1000000", 900000), ("a/b", "max", 5)):
        group = tmp_path / "groups" / name
        group.mkdir(parents=True)
        (group / "memory.max").write_text(limit)
        (group / "memory.current").write_text(str(used))
        (group / "memory.stat").write_text("anon 1\ninactive_file 50000\n")
    where = (tmp_path / "meminfo", tmp_path / "groups", tmp_path / "own")
    assert memory.available(*where) == 150_000
    (tmp_path / "groups" / "a" / "memory.max").write_text("max")
    assert memory.available(*where) == 2048 * 1024
