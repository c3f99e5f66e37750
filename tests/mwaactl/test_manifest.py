"""`mwaactl manifest build`, with the real dbt, and the virtualenv that it takes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from mwaa_dbt import render_manifest

from mwaactl import dbt_venv, manifest, target_parse
from mwaactl.commands import manifest as command
from mwaactl.errors import Problem
from mwaactl.local.layout import REPOSITORY
from tests import projects

PACKAGE = {
    "packages.yml": "packages: [{local: toolbox}]",
    "toolbox/dbt_project.yml": 'name: toolbox\nversion: "1.0.0"',
    "toolbox/models/boxed.sql": "select 1 as id",
    "models/a.sql": "select id from {{ ref('boxed') }}",
}


@pytest.fixture
def told() -> list[str]:
    return []


def test_builds_once_and_again_when_something_changed(tmp_path: Path, told: list[str]) -> None:
    project = projects.small(tmp_path, "shop", PACKAGE)
    first = manifest.build("shop", told.append, root=tmp_path)
    build = project / "build"
    assert (first.nodes, first.fresh) == (2, False)
    assert sorted(path.name for path in build.iterdir()) == [
        "manifest.json",
        "partial_parse.dev.json",
        "partial_parse.dev.msgpack",
        "render_manifest.json",
    ]
    rendered = json.loads(render_manifest.path_of(project).read_text())
    assert set(rendered["nodes"]) == {"model.shop.a", "model.toolbox.boxed"}
    assert rendered["metadata"]["project_name"] == "shop"
    assert rendered["metadata"]["dbt_version"] in (REPOSITORY / "requirements-dbt.txt").read_text()
    assert (project / "dbt_packages" / "toolbox").exists(), "packages travel with the project"
    assert not (project / "target").exists()
    assert not (project / "logs").exists()
    assert "Installing the project's dbt packages" in told

    told.clear()
    assert manifest.build("shop", told.append, root=tmp_path).fresh
    assert told == []
    shutil.rmtree(project / "dbt_packages")
    assert not manifest.build("shop", told.append, root=tmp_path).fresh
    assert (project / "dbt_packages" / "toolbox").exists(), "`dbt clean` takes them; a release needs them"

    before = render_manifest.path_of(project).read_bytes()
    (project / "models" / "a.sql").write_text("select id, broken from {{ ref('nowhere') }}")
    with pytest.raises(Problem) as problem:
        manifest.build("shop", told.append, root=tmp_path)
    assert "depends on a node named 'nowhere' which was not found" in problem.value.what
    assert "models/a.sql" in problem.value.what
    assert render_manifest.path_of(project).read_bytes() == before, "nothing is lost"

    (project / "models" / "a.sql").write_text("select id, 2 as two from {{ ref('boxed') }}")
    (project / "models" / "b.sql").write_text("select 1 as id")
    assert manifest.build("shop", told.append, root=tmp_path).nodes == 3


def test_the_fingerprint_is_of_the_projects_own_files(tmp_path: Path) -> None:
    project = projects.small(tmp_path, "shop", PACKAGE)
    before = manifest.fingerprint(project, "1.11.0")
    for made in ("build/manifest.json", "target/x", "logs/dbt.log", "dbt_packages/toolbox/x", ".user.yml"):
        projects.write(project, {made: "x"})
    assert manifest.fingerprint(project, "1.11.0") == before
    assert manifest.fingerprint(project, "1.11.1") != before
    projects.write(project, {"models/schema.yml": "models: []"})
    changed = manifest.fingerprint(project, "1.11.0")
    assert changed != before
    projects.write(project, {"package-lock.yml": "packages: []"})
    assert manifest.fingerprint(project, "1.11.0") != changed, "the same packages.yml may bring other packages"
    (project / "package-lock.yml").unlink()
    (project / "models" / "schema.yml").rename(project / "models" / "renamed.yml")
    assert manifest.fingerprint(project, "1.11.0") not in (before, changed)


def test_the_fingerprint_is_of_local_packages_too_wherever_they_lie(tmp_path: Path) -> None:
    project = projects.small(tmp_path, "shop", {"packages.yml": "packages: [{local: ../box}, {package: a/b}]"})
    without = manifest.fingerprint(project, "1.11.0")
    projects.write(tmp_path / "box", {"models/boxed.sql": "select 1"})
    before = manifest.fingerprint(project, "1.11.0")
    assert before != without
    projects.write(tmp_path / "box", {"models/boxed.sql": "select 2"})
    assert manifest.fingerprint(project, "1.11.0") != before


@pytest.mark.parametrize(
    "file", ["manifest.json", "partial_parse.dev.msgpack", "partial_parse.dev.json", "render_manifest.json"]
)
def test_an_incomplete_build_is_no_build(tmp_path: Path, file: str) -> None:
    project = projects.small(tmp_path, "shop", {})
    build = project / "build"
    parse = {"partial_parse.dev.msgpack": "xy", "partial_parse.dev.json": '{"size": 2}'}
    projects.write(build, {"manifest.json": "{}", **parse})
    wanted = manifest.fingerprint(project, "1")
    (build / "render_manifest.json").write_text(json.dumps({"metadata": {"fingerprint": wanted}}))
    assert manifest._is_fresh(build / "render_manifest.json", wanted, ["dev"])
    assert not manifest._is_fresh(build / "render_manifest.json", wanted, ["dev", "prod"])
    assert not manifest._is_fresh(build / "render_manifest.json", "another", ["dev"])
    (build / file).unlink()
    assert not manifest._is_fresh(build / "render_manifest.json", wanted, ["dev"])
    for cut in ("{", "", "[1]", '{"metadata": 5}' if file == "render_manifest.json" else "x"):
        (build / file).write_text(cut)
        assert not manifest._is_fresh(build / "render_manifest.json", wanted, ["dev"]), cut


def test_a_parse_that_was_cut_is_made_again(tmp_path: Path, told: list[str]) -> None:
    project = projects.small(tmp_path, "shop", {"models/a.sql": "select 1 as id"})
    manifest.build("shop", told.append, root=tmp_path)
    parse = project / "build" / "partial_parse.dev.msgpack"
    whole = parse.stat().st_size
    parse.write_bytes(parse.read_bytes()[:1000])
    assert not manifest.build("shop", told.append, root=tmp_path).fresh
    assert abs(parse.stat().st_size - whole) < 1000
    assert manifest.build("shop", told.append, root=tmp_path).fresh


def test_no_such_project(tmp_path: Path, told: list[str]) -> None:
    projects.small(tmp_path, "shop", {})
    with pytest.raises(Problem) as problem:
        manifest.build("shp", told.append, root=tmp_path)
    assert str(tmp_path / "shp") in problem.value.what
    assert "shop" in problem.value.next_step


def test_folder_and_project_have_one_name(tmp_path: Path, told: list[str]) -> None:
    projects.small(tmp_path, "shop", {}).rename(tmp_path / "store")
    with pytest.raises(Problem) as problem:
        manifest.build("store", told.append, root=tmp_path)
    assert "'shop'" in problem.value.what
    assert "name: store" in problem.value.next_step


def test_a_profile_of_another_name_does_no_harm(tmp_path: Path, told: list[str]) -> None:
    projects.small(tmp_path, "shop", {"profiles.yml": "other: {target: dev, outputs: {dev: {type: postgres}}}"})
    assert not manifest.build("shop", told.append, root=tmp_path).fresh


PROFILE = """
shop:
  target: "{{ env_var('NOWHERE') }}"
  outputs: {dev: {type: duckdb, path: a.duckdb}, prod: {type: duckdb, path: b.duckdb}}
"""


@pytest.mark.parametrize(
    ("profile", "parsed_for"),
    [(None, ["dev"]), (PROFILE, ["dev", "prod"]), ("shop: {outputs: {mine: {}}}", ["mine"]), ("shop: 1", ["default"])],
)
def test_targets_are_those_that_the_profile_knows(tmp_path: Path, profile: str | None, parsed_for: list[str]) -> None:
    project = projects.small(tmp_path, "shop", {"profiles.yml": profile} if profile else {})
    assert target_parse.targets(project, ["dev", "prod", "stage"]) == parsed_for


def test_a_target_is_added_without_building_again(tmp_path: Path, told: list[str]) -> None:
    project = projects.small(tmp_path, "shop", {"profiles.yml": PROFILE, "models/a.sql": "select 1 as id"})
    manifest.build("shop", told.append, root=tmp_path)
    parse = project / "build" / "partial_parse.dev.msgpack"
    before = parse.stat().st_mtime_ns
    told.clear()
    assert not manifest.build("shop", told.append, root=tmp_path, targets=["dev", "prod"]).fresh
    assert told == ["Parsing shop for the target prod"]
    assert parse.stat().st_mtime_ns == before
    assert manifest.build("shop", told.append, root=tmp_path, targets=["dev", "prod"]).fresh


def test_the_command_says_what_it_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    projects.small(tmp_path / "dbt", "shop", {"models/a.sql": "select 1 as id"})
    monkeypatch.setenv("MWAACTL_SOURCE", str(tmp_path))
    run = CliRunner().invoke(command.manifest, ["build"], catch_exceptions=False)
    assert run.exit_code == 0
    assert "shop: manifest built, 1 nodes to render" in run.stdout
    run = CliRunner().invoke(command.manifest, ["build", "shop", "--format", "json"], catch_exceptions=False)
    (one,) = json.loads(run.stdout)
    assert one["project"] == "shop"
    assert one["fresh"] is True
    assert one["render_size"] < one["manifest_size"]


def test_a_layered_project_of_any_size(tmp_path: Path) -> None:
    project = projects.layered_project(tmp_path, 25)
    assert len(list(project.rglob("m*.sql"))) == 25
    assert "ref('m001_004')" in (project / "models" / "layer002" / "m002_004.sql").read_text()


def test_a_given_virtualenv_is_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: list[str]) -> None:
    monkeypatch.setenv("DBT_VENV_PATH", str(tmp_path))
    with pytest.raises(Problem, match="there is no dbt in it"):
        dbt_venv.ensure(told.append)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "dbt").touch()
    assert dbt_venv.ensure(told.append) == tmp_path
    assert told == []


def test_the_marker_is_the_one_of_the_library() -> None:
    from mwaa_dbt import settings

    assert dbt_venv.MARKER == settings.VENV_MARKER
