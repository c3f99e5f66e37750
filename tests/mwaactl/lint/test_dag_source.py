"""What a DAG file asks for while it is parsed, by its text."""

from __future__ import annotations

from pathlib import Path

import pytest

from mwaactl.lint import dag_source
from mwaactl.local.layout import REPOSITORY

ASKING = [
    ("from airflow.sdk import Variable\nx = Variable.get('a')", "an Airflow Variable"),
    ("from airflow.models import Variable as V\nwith DAG('a'):\n    x = f(V.get('a'))", "an Airflow Variable"),
    ("import airflow.sdk as sdk\nx = sdk.Connection.get('a')", "a Connection"),
    ("from airflow.sdk import BaseHook\nclass A:\n    x = BaseHook.get_connection('a')", "a Connection"),
    ("import boto3\nx = boto3.client('s3').list_buckets()", "AWS"),
    ("import requests\nx = [requests.get(u).json() for u in us]", "the network"),
    ("from urllib import request\nx = request.urlopen('a')", "the network"),
    ("import socket\ndef f(x=socket.gethostname()): pass", "the network"),
    ("from airflow.sdk import dag, Variable\n@dag()\ndef a():\n    Variable.get('a')\na()", "an Airflow Variable"),
]
QUIET = [
    "from airflow.sdk import Variable\ndef f():\n    return Variable.get('a')",
    "from airflow.sdk import dag, task, Variable\n@dag()\ndef a():\n    @task\n    def b():\n        Variable.get('a')",
    "import boto3\nf = lambda: boto3.client('s3')",
    "import requests\nx = timeout_of(requests.Timeout)",
    "from mylib import get as Variable\nVariable('a')",
]


def written(folder: Path, text: str) -> Path:
    path = folder / "dags" / "a.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(("text", "what"), ASKING)
def test_a_lookup_at_import_is_found_with_its_line(tmp_path: Path, text: str, what: str) -> None:
    found = dag_source.check(written(tmp_path, text), tmp_path)
    assert found, text
    for one in found:
        assert (one.file, one.rule) == ("dags/a.py", "dag-lookup")
        assert f"asks for {what}" in one.message
        asking = text.splitlines()[one.line - 1]
        assert any(word in asking for word in ("get", "client", "urlopen")), asking


@pytest.mark.parametrize("text", QUIET)
def test_what_runs_in_a_task_is_left_alone(tmp_path: Path, text: str) -> None:
    assert dag_source.check(written(tmp_path, text), tmp_path) == []


def test_a_file_that_is_no_python_says_where(tmp_path: Path) -> None:
    (one,) = dag_source.check(written(tmp_path, "x = 1\nwith DAG(:\n"), tmp_path)
    assert (one.line, one.rule) == (2, "dag-import")


def test_the_line_of_each_dag(tmp_path: Path) -> None:
    path = written(
        tmp_path, "import sdk\nwith DAG(\n    'a'): pass\nsdk.DAG(dag_id='b')\n@dag(dag_id='c')\ndef c(): pass\n"
    )
    assert dag_source.dag_lines(path) == {"a": 2, "b": 4, "c": 5}


def test_this_repository_s_dags_ask_nobody() -> None:
    files = sorted((REPOSITORY / "dags").glob("*.py"))
    assert len(files) > 2
    assert [one for path in files for one in dag_source.check(path, REPOSITORY)] == []


@pytest.mark.parametrize("content", ["# \u00e4\n".encode("latin-1"), b"x = 1\0\n"])
def test_what_is_no_text_is_a_finding(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.py").write_bytes(content)
    (found,) = dag_source.check(tmp_path / "x.py", tmp_path)
    assert (found.file, found.rule) == ("x.py", "dag-import")
