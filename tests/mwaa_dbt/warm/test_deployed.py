"""The parse that a release brings along: taken where it is true, by warm and plain dbt, and nowhere else."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from mwaa_dbt import warm

from mwaactl import manifest
from tests import projects
from tests.mwaa_dbt.warm.conftest import Zoo

#: What CI knows: other file, same names as the tasks' profile (conftest.PROFILES).
IN_CI = """\
zoo:
  target: dev
  outputs:
    dev: {type: duckdb, path: /nowhere/warehouse.duckdb, schema: main, threads: 7}
    other: {type: duckdb, path: /nowhere/warehouse.duckdb, schema: elsewhere}
    unusable: {type: duckdb, path: "{{ env_var('NOT_IN_CI') }}"}
"""
TARGETS = ("dev", "other", "unusable")
READING = """
    {{ config(meta={'path': target.path, 'root': adapter.external_root()}) }} select 1 as id
    """


@pytest.fixture(scope="module")
def released(shared_zoo: Zoo, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The folder of a zoo that was built as CI does, and what was said."""
    root = tmp_path_factory.mktemp("released")
    shutil.copytree(shared_zoo.project, root / "zoo", symlinks=True)
    (root / "zoo" / "profiles.yml").write_text(IN_CI)
    said: list[str] = []
    manifest.build("zoo", said.append, root=root, targets=TARGETS)
    return root / "zoo", said


@pytest.fixture
def zoo(zoo: Zoo, released: tuple[Path, list[str]]) -> Zoo:
    """The released zoo, in another place than CI's."""
    shutil.rmtree(zoo.project)
    shutil.copytree(released[0], zoo.project, symlinks=True)
    return zoo


def first(zoo: Zoo, caplog: pytest.LogCaptureFixture, *args: str, target: str = "dev", **env: str) -> str:
    """Run a command by a fresh warm dbt, and plain; return what the warm one said that it read."""
    said = []
    with caplog.at_level("INFO", "mwaa_dbt.process"):
        for warm in (True, False):
            caplog.clear()
            command = [*args, "--profile", "zoo", "--target", target]
            assert zoo.run(*command, warm=warm, env=env) == 0, zoo.said
            unable = [line for line in zoo.said if "Unable to do partial parsing" in line]
            said.append((caplog.text.partition("It read ")[2].partition("\n")[0], zoo.said, unable))
    (read, warm_lines, none), (_, plain_lines, unable) = said
    assert none == []
    assert ("all " in read) == bool(unable), "plain dbt takes it where the warm one does"
    assert [line for line in plain_lines if line not in warm_lines and "Unable" not in line and ":" not in line] == []
    return read


def compiled(zoo: Zoo, name: str) -> str:
    """Return the SQL that the last command compiled a node to."""
    target = zoo.root / f"target{zoo.runs}" / "compiled"
    return next(target.rglob(f"{name}.sql")).read_text()


@pytest.mark.parametrize(("target", "schema"), [("dev", "main"), ("other", "elsewhere")])
def test_nothing_is_parsed_where_the_release_was(
    zoo: Zoo, caplog: pytest.LogCaptureFixture, target: str, schema: str
) -> None:
    parse = zoo.project / "build" / f"partial_parse.{target}.msgpack"
    written = parse.stat().st_mtime_ns
    assert first(zoo, caplog, "seed", target=target).startswith("0 of ")
    assert parse.stat().st_mtime_ns == written
    assert zoo.run("run", "--select", "stg_customers", "--profile", "zoo", "--target", target) == 0
    assert f'"{schema}"."raw_customers"' in compiled(zoo, "stg_customers")


def test_a_target_that_ci_can_t_use_is_said(zoo: Zoo, released: tuple[Path, list[str]]) -> None:
    assert "NOT_IN_CI" in released[1][-1]
    assert "Released without a parse for unusable." in released[1][-1]
    parses = sorted(path.name for path in (zoo.project / "build").glob("partial_parse.*.msgpack"))
    assert parses == ["partial_parse.dev.msgpack", "partial_parse.other.msgpack"]


def test_what_changed_is_parsed(zoo: Zoo, caplog: pytest.LogCaptureFixture) -> None:
    (zoo.project / "models" / "intermediate" / "int_alone.sql").write_text("select 42 as id")
    assert first(zoo, caplog, "run", "--select", "int_alone").startswith("1 of ")
    assert "42" in compiled(zoo, "int_alone")


def test_an_environment_variable_is_read_again(zoo: Zoo, caplog: pytest.LogCaptureFixture) -> None:
    assert first(zoo, caplog, "run", "--select", "of_env", FLAVOR="sour").startswith("1 of ")
    assert "'sour'" in compiled(zoo, "of_env")


@pytest.mark.long
def test_vars_are_parsed_with(zoo: Zoo, caplog: pytest.LogCaptureFixture) -> None:
    read = first(zoo, caplog, "run", "--select", "fct_divided", "--vars", "{number: 3}")
    assert "config vars, config profile, or config target have changed" in read
    assert "3" in compiled(zoo, "fct_divided")


def test_another_connection_is_parsed_for(zoo: Zoo, caplog: pytest.LogCaptureFixture) -> None:
    profile = zoo.root / "profiles.yml"
    profile.write_text(profile.read_text().replace("elsewhere", "far_away"))
    read = first(zoo, caplog, "run", "--select", "int_alone", target="other")
    assert "the released parse is for a connection with schema 'elsewhere', not 'far_away'" in read
    assert zoo.run("compile", "--select", "stg_customers", "--profile", "zoo", "--target", "other") == 0
    assert '"far_away"."raw_customers"' in compiled(zoo, "stg_customers")


@pytest.mark.long
def test_what_else_the_project_reads_of_the_connection_matters(zoo: Zoo, caplog: pytest.LogCaptureFixture) -> None:
    projects.write(zoo.project, {"models/reading.sql": READING})
    manifest.build("zoo", print, root=zoo.root)
    assert {"path", "external_root"} <= note(zoo).keys()
    profile = zoo.root / "profiles.yml"
    profile.write_text(profile.read_text().replace("schema: main,", "schema: main, external_root: /tmp,"))
    read = first(zoo, caplog, "list", "--select", "reading", "--output", "json", "--output-keys", "meta")
    assert "for a connection with external_root '.', not '/tmp', path '/nowhere/warehouse.duckdb', not " in read
    assert f'"path": "{zoo.warehouse}", "root": "/tmp"' in zoo.said[-1]


@pytest.mark.parametrize(
    ("expression", "asked"),
    [
        ("{{ target.schema }}{{ target['user'] }}", {"schema", "user"}),
        ("{{ target.get('role') }}{{ 'host' in target }}", {"role", "host"}),
        ("{{ target }}", {"*"}),
        ("{% for name in target %}{{ name }}{% endfor %}", {"*"}),
        ("{{ target | length }}", {"*"}),
        ("{{ target | tojson }}", {"*"}),
        ("{{ dict(target) }}", {"*"}),
        ("{{ target.items() | list }}", {"*"}),
        ("{{ target.copy() == 1 }}", {"*"}),
        ("{{ call(**target) }}", {"*"}),
    ],
)
def test_whatever_is_asked_of_the_target_is_noted(venv: Path, expression: str, asked: set[str]) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from noting import Noting; import jinja2.sandbox, json;"
        "asked = set(); target = Noting({'schema': 'main', 'type': 'duckdb'}, asked);"
        "jinja2.sandbox.SandboxedEnvironment().from_string(sys.argv[2]).render(target=target, call=lambda **_: '');"
        "print(json.dumps(sorted(asked)))"
    )
    command = [str(venv / "bin" / "python"), "-c", code, str(Path(warm.__file__).parent), expression]
    found = set(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    assert found == asked or ("*" in asked and "*" in found)


@pytest.mark.long
def test_who_reads_all_of_the_connection_leaves_it_to_dbt(zoo: Zoo, caplog: pytest.LogCaptureFixture) -> None:
    path = zoo.project / "build" / "partial_parse.dev.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "read": {**told["read"], "*": None}}))
    assert "profile has changed" in first(zoo, caplog, "run", "--select", "int_alone")


@pytest.mark.long
def test_a_note_of_another_parse_counts_for_nothing(zoo: Zoo, caplog: pytest.LogCaptureFixture) -> None:
    path = zoo.project / "build" / "partial_parse.dev.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "invocation_id": "another"}))
    assert "profile has changed" in first(zoo, caplog, "run", "--select", "int_alone")


def note(zoo: Zoo) -> dict[str, object]:
    return dict(json.loads(Path(zoo.project / "build" / "partial_parse.dev.json").read_text())["read"])
