"""The check that DAG files import, with the real Airflow."""

import sys
from pathlib import Path

import pytest

from mwaactl.errors import Problem
from mwaactl.local import image
from mwaactl.local.layout import AIRFLOW_VERSION
from mwaactl.release import contents, dag_imports
from mwaactl.release.contents import File

GOOD = "from airflow.sdk import DAG\nfrom helper import NAME\nfrom mwaa_x import Y\nwith DAG(NAME): pass\n"
BAD = {
    "dags/syntax.py": "import airflow\nDAG = \n",
    "dags/network.py": "import socket\nfrom airflow.sdk import DAG\nsocket.create_connection(('example.com', 80))\n",
    "dags/variable.py": "from airflow.sdk import DAG, Variable\nVariable.get('x')\n",
    "dags/option.py": "from airflow.configuration import conf\nfrom airflow.sdk import DAG\n"
    "assert conf.get('mwaa_dbt', 'target') == 'stage'\nwith DAG('by_option'): pass\n",
}
OPTIONS = {"mwaa_dbt.target": "stage", "secrets.backend": "nothing.that.Exists"}


@pytest.fixture
def wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, File]:
    monkeypatch.setattr(image, "environment", lambda *_: Path(sys.prefix))
    monkeypatch.setattr(dag_imports, "CACHE", tmp_path / "cache")
    (tmp_path / "plugins/mwaa_x").mkdir(parents=True)
    (tmp_path / "plugins/mwaa_x/__init__.py").write_text("Y = 1\n")
    files = {"dags/good.py": GOOD, "dags/helper.py": "NAME = 'good'\n", "requirements.txt": ""}
    found = {path: File.of(text.encode()) for path, text in files.items()}
    return {**found, contents.PLUGINS: File.of(contents.plugins_zip(tmp_path))}


def test_dags_are_known_with_their_files_and_looked_at_once(
    wanted: dict[str, File], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {"good": "good.py"}
    assert dag_imports.dags(wanted, OPTIONS, AIRFLOW_VERSION, print) == expected
    monkeypatch.setattr(dag_imports, "_import", lambda *_: pytest.fail("it was looked at again"))
    sql = {"dags/dbt/shop/models/a.sql": File.of(b"select 1")}
    assert dag_imports.dags({**wanted, **sql}, OPTIONS, AIRFLOW_VERSION, print) == expected
    helper = {"dags/helper.py": File.of(b"NAME = 'other'")}
    with pytest.raises(pytest.fail.Exception):
        dag_imports.dags({**wanted, **helper}, OPTIONS, AIRFLOW_VERSION, print)


def test_every_file_that_does_not_import_is_named_with_its_error(wanted: dict[str, File]) -> None:
    bad = {path: File.of(text.encode()) for path, text in BAD.items()}
    with pytest.raises(Problem) as caught:
        dag_imports.dags({**wanted, **bad}, OPTIONS, AIRFLOW_VERSION, print)
    words = caught.value.message
    assert "dags/syntax.py can't be imported" in words
    assert "SyntaxError" in words
    assert "importing a DAG file used the network" in words
    assert "importing a DAG file used a Variable" in words
    assert "dags/option.py" not in words  # the environment's options hold
    assert "dags/good.py" not in words


def test_no_dag_is_no_release(wanted: dict[str, File]) -> None:
    del wanted["dags/good.py"]
    with pytest.raises(Problem, match="There is no DAG in dags/"):
        dag_imports.dags(wanted, OPTIONS, AIRFLOW_VERSION, print)


def test_an_airflow_that_nobody_knows(wanted: dict[str, File]) -> None:
    with pytest.raises(Problem, match=r"(?s)Airflow 9\.9\.9.*Known are"):
        dag_imports.dags(wanted, OPTIONS, "9.9.9", print)
