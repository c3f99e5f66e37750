"""The cut, loading it, and words for whatever is wrong with one: in Python and as an import error of a DAG file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mwaa_dbt import manifest, render_manifest, settings
from mwaa_dbt.errors import ManifestError

from tests.mwaa_dbt import rendering

DAG_FILE = """
from airflow.sdk import DAG
from mwaa_dbt import DbtProject

zoo = DbtProject("zoo")
with DAG("broken", schedule=None):
    zoo.task_group("all")
"""


def full(root: Path, name: str = "zoo") -> dict[str, Any]:
    content: dict[str, Any] = json.loads((root / name / "build" / "manifest.json").read_text())
    return content


def test_the_cut_is_small_and_keeps_what_is_rendered(built: Path) -> None:
    cut = render_manifest.cut(full(built), "abc")
    assert len(render_manifest.dumps(cut)) < len(json.dumps(full(built))) / 5
    assert cut["metadata"] == {
        "format": 2,
        "project_name": "zoo",
        "dbt_version": settings.pinned_dbt_version(),
        "fingerprint": "abc",
        "hooks": ["on-run-end", "on-run-start"],
    }
    kinds = {node["resource_type"] for node in cut["nodes"].values()}
    assert kinds == {"model", "seed", "snapshot", "test"}
    assert set(cut["sources"]) == {"source.zoo.shop.visits", "source.zoo.shop.visitors"}
    assert cut["sources"]["source.zoo.shop.visits"]["freshness"]["warn_after"] == {"count": 1, "period": "day"}
    orders = cut["nodes"]["model.zoo.fct_orders"]
    assert orders["config"]["meta"]["cosmos"]["operator_kwargs"]["pool"] == "warehouse"
    assert "raw_code" not in orders


def test_one_node_a_line_and_the_same_text_for_the_same_content(built: Path) -> None:
    cut = render_manifest.cut(full(built))
    text = render_manifest.dumps(cut)
    assert json.loads(text) == cut
    lines = [line for line in text.splitlines() if line.startswith('"model.zoo.fct_orders"')]
    assert len(lines) == 1
    assert json.loads("{" + lines[0].rstrip(",") + "}")["model.zoo.fct_orders"] == cut["nodes"]["model.zoo.fct_orders"]
    shuffled = full(built)
    shuffled["nodes"] = dict(reversed(shuffled["nodes"].items()))
    assert render_manifest.dumps(render_manifest.cut(shuffled)) == text


Damage = Callable[[Path], None]


def _truncate(path: Path) -> None:
    path.write_text(path.read_text()[:2000])


def _edit(**metadata: Any) -> Damage:
    def damage(path: Path) -> None:
        content = json.loads(path.read_text())
        content["metadata"] |= metadata
        path.write_text(json.dumps(content))

    return damage


def _whole_manifest(path: Path) -> None:
    path.write_bytes((path.parent / "manifest.json").read_bytes())


DAMAGES: dict[str, tuple[Damage, tuple[str, ...]]] = {
    "missing": (Path.unlink, ("There is no render manifest at", "No such file")),
    "truncated": (_truncate, ("is damaged",)),
    "empty": (lambda path: path.write_bytes(b"") and None, ("is damaged",)),
    "no object": (lambda path: path.write_bytes(b"[]") and None, ("is not a render manifest of format 2",)),
    "binary": (lambda path: path.write_bytes(b"\xff\x00") and None, ("is damaged",)),
    "another format": (_edit(format=1), ("is not a render manifest of format 2",)),
    "dbt's whole manifest": (_whole_manifest, ("is not a render manifest of format 2",)),
    "another project's": (_edit(project_name="shop"), ("was built from the dbt project 'shop', not 'zoo'",)),
    "another dbt's": (_edit(dbt_version="1.9.4"), ("was built by dbt 1.9.4, but requirements-dbt.txt pins",)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_bad_manifest_is_said_in_words(workspace: Path, damage: str) -> None:
    path = render_manifest.path_of(workspace / "zoo")
    break_it, words = DAMAGES[damage]
    break_it(path)
    with pytest.raises(ManifestError) as error:
        rendering.ours("zoo")
    for word in (*words, str(path), "mwaactl manifest build zoo"):
        assert word in str(error.value)


def test_a_bad_manifest_is_an_import_error_of_the_dag_file_and_of_no_other(workspace: Path, tmp_path: Path) -> None:
    from airflow.dag_processing.dagbag import DagBag

    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "broken.py").write_text(DAG_FILE)
    (dags / "fine.py").write_text(DAG_FILE.replace("broken", "fine").replace("zoo", "flights"))
    path = render_manifest.path_of(workspace / "zoo")
    intact = path.read_text()
    for name, (break_it, words) in DAMAGES.items():
        path.write_text(intact)
        break_it(path)
        bag = DagBag(dags)
        assert list(bag.dags) == ["fine"], name
        (error,) = bag.import_errors.values()
        for word in (*words, str(path), "mwaactl manifest build zoo"):
            assert word in error, name

    path.write_text(intact)
    assert sorted(DagBag(dags).dags) == ["broken", "fine"]


def test_without_requirements_the_version_is_not_compared(built: Path) -> None:
    path = render_manifest.path_of(built / "zoo")
    manifest.check_dbt_version(manifest.load(path, "zoo"), path, None)


def test_a_missing_project_is_said_in_words(dbt_root: Path) -> None:
    with pytest.raises(ManifestError, match=r"There is no render manifest at .*/nowhere/build"):
        rendering.ours("nowhere")


def test_a_groups_owner_is_the_owner_of_its_nodes(built: Path) -> None:
    manifest = full(built)
    manifest["groups"] = {
        "group.zoo.sales": {"name": "sales", "package_name": "zoo", "owner": {"name": None, "email": "s@example.com"}}
    }
    node = manifest["nodes"]["model.zoo.fct_orders"]
    node["group"], node["config"]["meta"] = "sales", {**node["config"]["meta"], "owner": None}
    cut = render_manifest.cut(manifest)["nodes"]
    assert cut["model.zoo.fct_orders"]["config"]["meta"]["owner"] == "s@example.com"
    assert cut["model.zoo.fct_orders"]["config"]["meta"]["cosmos"] == node["config"]["meta"]["cosmos"]
    node["config"]["meta"]["owner"] = "carla"
    assert render_manifest.cut(manifest)["nodes"]["model.zoo.fct_orders"]["config"]["meta"]["owner"] == "carla"
