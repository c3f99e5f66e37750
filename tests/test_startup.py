"""startup.sh, sourced the way MWAA's containers source it."""

import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from mwaactl.errors import Problem
from mwaactl.local import startup
from mwaactl.local.layout import REPOSITORY

MARKER = "dbt_venv/.mwaa-dbt-complete"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "startup").mkdir()
    (tmp_path / "plugins").mkdir()
    shutil.copy(REPOSITORY / "startup.sh", tmp_path / "startup")
    return tmp_path


def run(home: Path, component: str = "worker", limit: float = 120, **more: str) -> dict[str, str]:
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "AIRFLOW_HOME": str(home),
        "MWAA_AIRFLOW_COMPONENT": component,
        **more,
    }
    return startup.execute(environment, Path(sys.executable), home / "startup.log", limit=limit)


def script(home: Path, text: str) -> None:
    (home / "startup" / "startup.sh").write_text(text)


def wheel(folder: Path, name: str, files: dict[str, str], scripts: str = "") -> None:
    """Write a small wheel by hand: what pip and uv need, and no more."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name.replace('-', '_')}-1.0.dist-info"
    content = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": scripts,
    }
    record = "".join(f"{path},,\n" for path in [*content, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{name.replace('-', '_')}-1.0-py3-none-any.whl", "w") as archive:
        for path, text in {**content, f"{info}/RECORD": record}.items():
            archive.writestr(path, text)


@pytest.fixture
def offline(home: Path) -> Path:
    """A home whose wheels folder holds a stand-in for dbt-core: the build needs no network."""
    files = {"dbt/cli/main.py": "def cli(): print('dbt')\n", "dbt/adapters/duckdb/__init__.py": ""}
    wheel(home / "plugins/wheels", "dbt-core", files, "[console_scripts]\ndbt = dbt.cli.main:cli\n")
    (home / "plugins/requirements-dbt.txt").write_text("dbt-core==1.0\n")
    return home


@pytest.mark.parametrize("component", ["webserver", "scheduler"])
def test_where_no_task_runs_nothing_is_built(home: Path, component: str) -> None:
    assert run(home, component) == {"DBT_VENV_PATH": str(home / "dbt_venv")}
    assert not (home / "dbt_venv").exists()


@pytest.mark.parametrize("component", ["worker", "hybrid"])
def test_wheels_are_enough_and_the_marker_comes_with_a_working_dbt(offline: Path, component: str) -> None:
    # An index that answers nothing: a build that asks for it fails.
    exported = run(offline, component, PIP_INDEX_URL="http://127.0.0.1:9/simple")
    assert exported == {"DBT_VENV_PATH": str(offline / "dbt_venv")}
    assert (offline / MARKER).is_file()
    dbt = subprocess.run([str(offline / "dbt_venv/bin/dbt")], capture_output=True, text=True)
    assert dbt.stdout == "dbt\n"


def test_an_unchanged_build_is_reused_and_a_changed_one_repeated(offline: Path) -> None:
    run(offline)
    witness = offline / "dbt_venv/witness"
    witness.touch()
    run(offline)
    assert witness.exists()
    (offline / "plugins/requirements-dbt.txt").write_text("# changed\ndbt-core==1.0\n")
    run(offline)
    assert not witness.exists()
    assert (offline / MARKER).is_file()


def test_a_build_without_its_marker_is_repeated(offline: Path) -> None:
    run(offline)
    (offline / MARKER).unlink()
    (offline / "dbt_venv/witness").touch()
    run(offline)
    assert not (offline / "dbt_venv/witness").exists()


def test_an_interrupted_build_leaves_no_marker_and_no_process(offline: Path) -> None:
    with pytest.raises(Problem, match="took longer than 1 s"):
        run(offline, limit=1)
    assert not (offline / MARKER).exists()
    run(offline)
    assert (offline / MARKER).is_file()


def test_a_failed_build_is_loud_and_marks_the_container(offline: Path) -> None:
    (offline / "plugins/requirements-dbt.txt").write_text("dbt-core==2.0\n")
    with pytest.raises(Problem, match="on MWAA this container never becomes healthy"):
        run(offline)
    said = (offline / "startup.log").read_text()
    assert "ERROR: dbt could not be installed" in said
    assert "dbt-core==2.0" in said  # pip's own reason
    assert not (offline / MARKER).exists()


def test_requirements_missing_from_plugins_zip_are_named(home: Path) -> None:
    with pytest.raises(Problem, match=r"requirements-dbt\.txt is missing"):
        run(home)


def test_nothing_but_the_path_outlives_the_script(offline: Path) -> None:
    own = (offline / "startup/startup.sh").read_text()
    after = """
case "$-" in *e*) export LEAK=errexit ;; esac
[ "$(trap -p)" = "$BEFORE" ] || export LEAK=trap
[ -z "$(declare -F | grep mwaa_dbt)" ] || export LEAK=function
[ "$PWD" = "$HOME" ] || export LEAK=directory
"""
    script(offline, "BEFORE=$(trap -p)\n" + own + after)
    assert run(offline) == {"DBT_VENV_PATH": str(offline / "dbt_venv")}


def test_exports_are_kept_and_plain_variables_are_not(home: Path) -> None:
    script(home, "export KEPT='a b'\nLOST=1\nexport PATH=$PATH:/extra\n")
    exported = run(home)
    assert exported["KEPT"] == "a b"
    assert exported["PATH"].endswith(":/extra")
    assert "LOST" not in exported


@pytest.mark.parametrize("ending", ["exit 1", "return 1", "false", "f() { exit 3; }; f"])
def test_what_mwaa_takes_for_success_is_taken_for_success(home: Path, ending: str) -> None:
    script(home, f"export KEPT=1\n{ending}\n")
    assert run(home) == {"KEPT": "1"}


@pytest.mark.parametrize("ending", ["set -e\nfalse", "kill -9 $$"])
def test_what_mwaa_takes_for_failure_is_a_failure(home: Path, ending: str) -> None:
    script(home, f"echo last words\n{ending}\n")
    with pytest.raises(Problem, match="last words"):
        run(home)


def test_the_limit_ends_the_script_and_its_children(home: Path) -> None:
    script(home, "sleep 61.5\n")
    began = time.monotonic()
    with pytest.raises(Problem, match="took longer"):
        run(home, limit=0.5)
    assert time.monotonic() - began < 8
    assert subprocess.run(["pgrep", "-f", "sleep 61.5"], capture_output=True).stdout == b""


def test_the_script_is_sound_bash_with_unix_line_ends() -> None:
    path = REPOSITORY / "startup.sh"
    assert b"\r" not in path.read_bytes()
    assert subprocess.run(["bash", "-n", path]).returncode == 0
    checked = subprocess.run([Path(sys.executable).parent / "shellcheck", path], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


def test_pip_user_is_never_exported() -> None:
    lines = (REPOSITORY / "startup.sh").read_text().splitlines()
    code = [line for line in lines if not line.strip().startswith("#")]
    assert [line for line in code if "PIP_USER" in line and "unset" not in line] == []
