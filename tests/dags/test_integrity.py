"""The DAGs as they are released: which, how many tasks, and that parsing touches nothing."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mwaactl.local import image
from mwaactl.local.layout import AIRFLOW_VERSION, REPOSITORY
from tests.airflow_images import pins
from tests.dags.conftest import probe

OLDER = ("3.2.1", "3.0.6")
#: Every DAG and the number of its tasks. Changes with each dbt node; say so in the pull request.
TASKS = {"flights_init": 50, "flights_load": 4, "flights_tests": 34, "flights_transform": 50, "history_gather": 1}

Parsed = Callable[[str | None], dict[str, Any]]


def test_exactly_these_dags_with_so_many_tasks(parsed: Parsed) -> None:
    answer = parsed(None)
    assert answer["errors"] == {}
    assert answer["version"] == AIRFLOW_VERSION
    assert {dag_id: len(dag["tasks"]) for dag_id, dag in answer["dags"].items()} == TASKS


def test_a_dag_says_whose_it_is_and_what_for(parsed: Parsed) -> None:
    for dag_id, dag in parsed(None)["dags"].items():
        assert dag["doc"].lstrip().startswith("# "), dag_id
        assert "When it fails" in dag["doc"], dag_id
        assert dag["tags"], dag_id
        assert "airflow" not in dag["owner"], f"{dag_id}: Airflow's default owner is nobody"
        assert dag["alerts"] == ["True"], f"{dag_id}: every task alerts"
        assert dag["run_alerts"], f"{dag_id}: a run says how it ended"
        assert not Path(dag["file"]).name.startswith("dbt_"), "dbt imports modules named dbt_*"


def test_paths_are_absolute(parsed: Parsed, dags_folder: Path) -> None:
    places = {task["project_dir"] for dag in parsed(None)["dags"].values() for task in dag["tasks"].values()}
    assert places - {""} == {str(dags_folder / "dbt" / "flights")}


def test_models_and_tests_have_retries(parsed: Parsed) -> None:
    tasks = parsed(None)["dags"]["flights_transform"]["tasks"].values()
    by_verb: dict[str, set[int]] = {}
    for task in tasks:
        if task["command"]:
            by_verb.setdefault(task["command"][0], set()).add(task["retries"])
    assert by_verb["test"] == by_verb["run"] == by_verb["build"] == {2}


def test_the_form_is_on_the_transforming_dags_only(parsed: Parsed) -> None:
    dags = parsed(None)["dags"]
    assert dags["flights_transform"]["params"] == [
        "exclude", "first_day", "freshness", "full_refresh", "last_day", "select", "target", "vars",
    ]  # fmt: skip
    assert dags["flights_tests"]["params"] == ["exclude", "select", "target", "vars"]
    assert dags["flights_init"]["params"] == ["full_refresh", "target", "vars"]
    assert dags["flights_load"]["params"] == []


@pytest.mark.parametrize("line", ["BaseHook.get_connection('x')", "Variable.get('x')", "create_connection(('a', 1))"])
def test_the_probe_notices(tmp_path: Path, line: str) -> None:
    import sys

    (tmp_path / "bad.py").write_text(
        "from socket import create_connection\n"
        "from airflow.sdk import DAG, BaseHook, Variable\n"
        f"{line}\n"
        "with DAG('bad'): pass\n"
    )
    answer = probe(sys.executable, tmp_path, tmp_path)
    (error,) = answer["errors"].values()
    assert "parsing a DAG file used" in error


@pytest.mark.parametrize("version", OLDER)
def test_the_same_on_older_versions(parsed: Parsed, version: str) -> None:
    newest, older = parsed(None), parsed(version)
    assert older["version"] == version
    assert older["errors"] == {}
    for dag_id, dag in newest["dags"].items():
        assert older["dags"][dag_id]["tasks"] == dag["tasks"], dag_id
    assert older["dags"].keys() == newest["dags"].keys()


def test_pins_are_those_of_mwaas_constraints() -> None:
    constraints = pins(image.IMAGES / AIRFLOW_VERSION / "constraints.txt")
    for name, version in pins(REPOSITORY / "requirements.txt").items():
        assert constraints.get(name, version) == version, name
    outside = pins(REPOSITORY / "requirements.txt").keys() - constraints.keys()
    assert outside == {"astronomer-cosmos"}


def test_the_developers_environment_has_mwaas_versions_of_what_the_library_imports() -> None:
    constraints = pins(image.IMAGES / AIRFLOW_VERSION / "constraints.txt")
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    group = [re.sub(r"\[.*\]", "", line) for line in project["dependency-groups"]["airflow"]]
    assert len(group) > 5
    for name, version in (line.split("==") for line in group if not line.startswith("astronomer-cosmos")):
        assert constraints.get(name.lower(), AIRFLOW_VERSION) == version, name
    assert f"astronomer-cosmos=={pins(REPOSITORY / 'requirements.txt')['astronomer-cosmos']}" in group


def test_requirements_resolve_without_moving_an_essential_pin(tmp_path: Path) -> None:
    folder = image.IMAGES / AIRFLOW_VERSION
    done = subprocess.run(
        [
            *(image.uv(), "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--no-strip-extras"),
            *("--python-version", "3.12", "-c", str(folder / "constraints.txt")),
            *(str(folder / "preinstalled.txt"), str(REPOSITORY / "requirements.txt")),
        ],
        cwd="/",  # away from this repository's settings
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    resolved = tmp_path / "resolved.txt"
    resolved.write_text(done.stdout)
    got, essential = pins(resolved), pins(folder / "essential-constraints.txt")
    moved = {name: got[name] for name in essential.keys() & got.keys() if got[name] != essential[name]}
    assert not moved
    assert got["astronomer-cosmos"]
    assert len(essential.keys() & got.keys()) > 3
