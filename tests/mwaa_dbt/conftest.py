"""Airflow without a database, and dbt projects built by the real dbt, once per test session."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import airflow_process

airflow_process.prepare()

from mwaactl import dbt_venv, manifest  # noqa: E402
from mwaactl.local.layout import REPOSITORY  # noqa: E402
from tests import projects  # noqa: E402


def _say(text: str) -> None:
    print(text)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], None]], Path]:
    """Return a function that makes a folder once for all workers of pytest-xdist."""
    base = tmp_path_factory.getbasetemp()
    if base.name.startswith("popen-"):  # a worker's folder lies in the session's
        base = base.parent

    def make(name: str, fill: Callable[[Path], None]) -> Path:
        folder = base / f"shared-{name}"
        with (base / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / ".complete").exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                (folder / ".complete").touch()
        return folder

    return make


@pytest.fixture(scope="session")
def venv() -> Path:
    """The virtualenv of dbt."""
    return dbt_venv.ensure(_say)


@pytest.fixture(scope="session")
def built(shared: Callable[..., Path], venv: Path) -> Path:
    """A dbt root with the projects flights and zoo, manifests built. Not to be changed: `workspace` is a copy."""

    def fill(root: Path) -> None:
        ignored = shutil.ignore_patterns(*manifest._MADE)
        shutil.copytree(REPOSITORY / "dbt" / "flights", root / "flights", ignore=ignored)
        projects.zoo(root)
        for name in ("flights", "zoo"):
            manifest.build(name, _say, root=root)

    return shared("built", fill)


@pytest.fixture
def workspace(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `built` that is the dbt root of this test."""
    root = tmp_path / "dbt"
    shutil.copytree(built, root)
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__DBT_ROOT", str(root))
    return root


@pytest.fixture
def dbt_root(built: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`built` as the dbt root of this test; to be read only."""
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__DBT_ROOT", str(built))
    return built


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return a function that makes an Airflow connection of the environment, and returns its id."""

    def make(conn_id: str, **fields: object) -> str:
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))
        return conn_id

    return make


@pytest.fixture(autouse=True)
def _no_stray_settings(monkeypatch: pytest.MonkeyPatch, venv: Path) -> None:
    monkeypatch.setenv("DBT_VENV_PATH", str(venv))
