"""The probe of DAG files' parses answers in JSON, whatever is printed meanwhile."""

import os
import sys
from pathlib import Path

from bench import parses
from tests import airflow_process

DAG = """
import noisy
from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator

with DAG("quiet", schedule=None):
    EmptyOperator(task_id="one")
"""


def test_what_imports_print_is_no_result(tmp_path: Path) -> None:
    (tmp_path / "noisy.py").write_text("import sys\nprint('a warning')\nsys.stdout.flush()\n")
    (tmp_path / "quiet.py").write_text(DAG)
    env = {**os.environ, **airflow_process.environment(tmp_path / "home"), "PYTHONPATH": str(tmp_path)}
    job = {"file": str(tmp_path / "quiet.py"), "dag_id": "quiet", "mode": "dag"}
    found = list(parses.probe(Path(sys.executable), env, [job, job]))
    assert [one["tasks"] for one in found] == [1, 1]
