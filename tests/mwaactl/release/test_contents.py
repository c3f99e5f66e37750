"""What a release consists of, and the order in which it may be seen."""

import io
import os
import zipfile
from pathlib import Path

import pytest

from mwaactl.errors import Problem
from mwaactl.release import contents, stages


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name, text in {
        "dags/one.py": "from airflow.sdk import DAG\nDAG('one')",
        "dags/made.py": "# Airflow: a DAG\nfrom shared.helper import make\none = make('one')",
        "dags/shared/helper.py": "x = 1",
        "dags/.airflowignore": "dbt/",
        "dbt/shop/dbt_project.yml": "name: shop",
        "dbt/shop/build/render_manifest.json": "{}",
        "dbt/shop/profiles.yml": "secret",
        "plugins/mwaa_x/__init__.py": "",
        "plugins/mwaa_x/__pycache__/a.cpython-311.pyc": "compiled",
        "requirements.txt": "a==1",
        "requirements-dbt.txt": "dbt-core==1",
        "startup.sh": "true",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_plugins_zip_is_reproducible_and_carries_requirements_dbt(source: Path) -> None:
    first = contents.plugins_zip(source)
    file = source / "plugins/mwaa_x/__init__.py"
    os.utime(file, (0, 0))
    file.chmod(0o600)
    assert contents.plugins_zip(source) == first
    entries = zipfile.ZipFile(io.BytesIO(first)).infolist()
    assert [one.filename for one in entries] == ["mwaa_x/__init__.py", "requirements-dbt.txt"]
    # What zlib makes of the same bytes depends on the machine.
    assert {one.compress_type for one in entries} == {zipfile.ZIP_STORED}
    file.write_text("x = 1")
    assert contents.plugins_zip(source) != first


@pytest.mark.parametrize("folder", ["dags", "plugins/mwaa_x", "dbt/shop"])
def test_a_name_that_is_not_utf8_gets_words(source: Path, folder: str) -> None:
    (source / folder / os.fsdecode(b"\xe4.txt")).touch()
    with pytest.raises(Problem, match=r"(?s)'\\udce4\.txt' in .* is not UTF-8.*Rename"):
        contents.files(source)


def test_the_fingerprint_is_that_of_names_and_contents(source: Path) -> None:
    first = contents.fingerprint(contents.files(source))
    assert contents.fingerprint(contents.files(source)) == first
    (source / "dags/one.py").rename(source / "dags/two.py")
    assert contents.fingerprint(contents.files(source)) != first


@pytest.mark.parametrize(
    ("path", "stage"),
    [
        ("plugins.zip", stages.ENVIRONMENT),
        ("dags/dbt/shop/models/a.sql", stages.PROJECT),
        ("dags/dbt/shop/models/build/a.sql", stages.PROJECT),
        ("dags/dbt/shop/build/render_manifest.json", stages.MANIFEST),
        ("dags/.airflowignore", stages.SUPPORT),
        ("dags/shared/helper.py", stages.SUPPORT),
        ("dags/one.py", stages.DAG),
        ("dags/made.py", stages.PERHAPS),
    ],
)
def test_a_dag_comes_after_all_that_it_reads(source: Path, path: str, stage: int) -> None:
    there = contents.files(source)
    assert stages.stage_of(path, there[path].read() if path in there else b"") == stage


def test_a_model_that_moved_is_not_there_twice() -> None:
    added = ["dags/dbt/shop/models/marts/a.sql", "dags/dbt/other/models/b.sql", "dags/c.py"]
    removed = ["dags/dbt/shop/models/a.sql", "dags/dbt/shop/models/b.sql", "dags/old/c.py"]
    assert stages.moved(added, removed) == {"dags/dbt/shop/models/a.sql"}
