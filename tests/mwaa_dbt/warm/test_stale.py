"""Whatever a project was parsed from may change: an old one is never served."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.mwaa_dbt.warm.conftest import Zoo
from tests.mwaa_dbt.warm.processes import servers_of


def _served_by(zoo: Zoo, *args: str) -> int:
    before = set(servers_of(zoo))
    assert zoo.run("run", "--select", "of_env", *args) == 0, zoo.said
    after = set(servers_of(zoo))
    return (after - before or after).pop()


def _change(zoo: Zoo, cause: str) -> None:
    if cause == "a model":
        (zoo.project / "models/extra/of_env.sql").write_text("select 'changed' as flavor, 's' as s")
    elif cause == "a package":
        (zoo.project / "packages/toolbox/macros/new.sql").write_text("{% macro new() %}1{% endmacro %}")
    elif cause == "a file with the old size and time":
        path = zoo.project / "models/extra/of_env.sql"
        old = path.stat()
        path.write_text(path.read_text().replace("plain", "PLAIN"))
        os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))
    elif cause == "the build folder":
        (zoo.project / "build").mkdir(exist_ok=True)
        (zoo.project / "build" / "manifest.json").write_text("{}")
    elif cause == "a file gone":
        (zoo.project / "models/extra/warned.sql").unlink()
    elif cause == "the profile":
        path = zoo.root / "profiles.yml"
        path.write_text(path.read_text().replace("schema: main", "schema: changed"))
    elif cause == "a variable of the project":
        zoo.env["FLAVOR"] = "sweet"
    elif cause == "a variable of the profile":
        zoo.env["WAREHOUSE"] = str(zoo.root / "another.duckdb")


@pytest.mark.parametrize(
    "cause",
    [
        "a model",
        "a package",
        "a file with the old size and time",
        "the build folder",
        "a file gone",
        "the profile",
        "a variable of the project",
        "a variable of the profile",
    ],
)
def test_an_old_project_is_never_served(zoo: Zoo, cause: str, caplog: pytest.LogCaptureFixture) -> None:
    first = _served_by(zoo)
    assert _served_by(zoo) == first
    _change(zoo, cause)
    assert _served_by(zoo) != first
    assert "plain" not in caplog.text


def test_other_variables_and_another_target_have_a_parse_of_their_own(zoo: Zoo) -> None:
    as_ever, sweet = _served_by(zoo), _served_by(zoo, "--vars", "{flavor: sweet}")
    other = _served_by(zoo, "--target", "other")
    assert len({as_ever, sweet, other}) == 3
    assert "elsewhere" in _compiled(zoo)
    _served_by(zoo)
    assert set(servers_of(zoo)) == {as_ever, sweet, other}, "the first one's server is still there"


def test_a_variable_that_only_the_release_s_parse_has_read(zoo: Zoo, caplog: pytest.LogCaptureFixture) -> None:
    as_released = ("--profile", "zoo", "--target", "dev")
    first = _served_by(zoo, *as_released)
    assert "0 of the project's" in caplog.text
    zoo.env["FLAVOR"] = "sour"
    assert _served_by(zoo, *as_released) != first
    assert _compiled(zoo).startswith("select 'sour' as flavor")
    assert "plain" not in caplog.text


def _compiled(zoo: Zoo) -> str:
    (path,) = (zoo.root / f"target{zoo.runs}" / "compiled").rglob("of_env.sql")
    return path.read_text()


def test_a_changed_virtualenv_is_noticed(zoo: Zoo, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    venv = tmp_path / "venv"
    subprocess.run([zoo.venv / "bin" / "python", "-m", "venv", "--without-pip", venv], check=True)
    (packages,) = venv.glob("lib/python*/site-packages")
    (original,) = zoo.venv.glob("lib/python*/site-packages")
    (packages / "dbt.pth").write_text(f"{original}\n")
    zoo.venv = venv
    first = _served_by(zoo)
    (packages / "something_new.py").touch()
    assert _served_by(zoo) != first
    assert "plain" not in caplog.text
