"""Where Cosmos' insides are touched. Fails when Cosmos changes underneath."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import cosmos
import pytest
from cosmos.config import ProjectConfig
from cosmos.dbt.graph import DbtGraph
from cosmos.operators.virtualenv import DbtVirtualenvBaseOperator
from cosmos.profiles.base import BaseProfileMapping
from mwaa_dbt import cosmos_seam, manifest, render_manifest

from mwaactl.local.layout import REPOSITORY
from tests.mwaa_dbt import rendering


def test_cosmos_is_the_version_that_the_seams_were_read_in() -> None:
    assert f"astronomer-cosmos=={cosmos.__version__}" in (REPOSITORY / "requirements.txt").read_text().splitlines()


def test_cosmos_still_loads_manifests_where_we_step_in() -> None:
    """`load_from_dbt_manifest` calls the method that we replace, with the path only."""
    assert "_load_manifest_from_file(" in inspect.getsource(DbtGraph.load_from_dbt_manifest)
    assert list(inspect.signature(cosmos_seam._load_from_file).parameters) == ["self", "manifest_path"]
    assert hasattr(ProjectConfig, "validate_project")
    assert hasattr(ProjectConfig, "is_manifest_available")
    assert "_conn" in inspect.getsource(BaseProfileMapping)
    assert "py_requirements" in inspect.signature(DbtVirtualenvBaseOperator.__init__).parameters


def test_other_peoples_projects_are_loaded_as_ever(built: Path) -> None:
    """Stock Cosmos in the same process reads its own manifest, whole."""
    dag = rendering.stock(built, "zoo", "after_each")
    assert len(dag.tasks) > 20


def test_a_manifest_is_read_once_per_process_however_many_groups(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    read = Path.read_bytes

    def counting(self: Path) -> bytes:
        opened.append(self)
        return read(self)

    def from_cosmos(self: DbtGraph, manifest_path: Any) -> None:
        raise AssertionError(f"Cosmos read {manifest_path} itself")

    monkeypatch.setattr(Path, "read_bytes", counting)
    monkeypatch.setattr(cosmos_seam, "_load_from_file", from_cosmos)
    path = render_manifest.path_of(workspace / "zoo")
    groups = [{"group_id": f"g{number}", "select": ["path:models/marts"]} for number in range(5)]
    rendering.ours("zoo", groups=groups)
    rendering.ours("zoo", "build", groups=groups)
    assert opened.count(path) == 1

    # ... and once more when a release has replaced it.
    path.write_text(path.read_text() + "\n")
    rendering.ours("zoo", groups=groups)
    assert opened.count(path) == 2
    assert manifest._load.cache_info().currsize <= 32


def test_nothing_of_the_project_is_written_or_run_while_rendering(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import subprocess

    def nothing(*args: Any, **_: Any) -> None:
        raise AssertionError(f"a process was started: {args}")

    rendering.ours("flights", form=True)  # what Airflow itself starts when it is imported
    monkeypatch.setattr(subprocess, "Popen", nothing)
    before = {path: path.stat().st_mtime_ns for path in sorted((workspace / "zoo").rglob("*"))}
    rendering.ours("zoo", form=True)
    assert {path: path.stat().st_mtime_ns for path in sorted((workspace / "zoo").rglob("*"))} == before
