"""`mwaactl lint` on a project with a mistake of each kind, and on the repository itself."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from mwaactl.commands.lint import lint
from mwaactl.local.layout import REPOSITORY
from tests import projects
from tests.docs import pages

GOOD_DAG = """
    from airflow.sdk import DAG
    from airflow.providers.standard.operators.empty import EmptyOperator

    with DAG("good", default_args={"owner": "ann"}, tags=["shop"], doc_md="# Good"):
        EmptyOperator(task_id="a")
    """
BAD_DAGS = """
    from airflow.sdk import DAG, Variable
    from airflow.providers.standard.operators.empty import EmptyOperator


    def used_later():
        return Variable.get("a")


    with DAG("bad"):
        EmptyOperator(task_id="a")
    """
STALL = {
    "models/orders.sql": "select 1 as id\n",
    "models/shouted.sql": "SELECT id from {{ ref('orders') }}\n",
    "models/models.yml": """
        models:
          - name: orders
            description: One row per order.
            config: {meta: {owner: ann}}
            columns: [{name: id, data_tests: [unique]}]
          - name: shouted
            config: {meta: {owner: ann}}
          - name: gone
        """,
}


def test_each_mistake_is_said_with_file_and_line_and_ones_own_project_of_the_docs_has_none(tmp_path: Path) -> None:
    projects.small(tmp_path / "dbt", "stall", STALL)
    projects.write(tmp_path / "dags", {"good.py": GOOD_DAG, "bad.py": BAD_DAGS})
    for name, content in pages.files(pages.OWN_PROJECT).items():  # the next thing its reader does is `make lint`
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    (tmp_path / ".sqlfluff").write_text((REPOSITORY / ".sqlfluff").read_text())
    done = CliRunner().invoke(lint, ["--source", str(tmp_path), "--format", "json"])
    assert done.exit_code == 1, done.output
    found = {(one["file"], one["line"], one["rule"]) for one in json.loads(done.stdout)}
    assert found == {
        ("dbt/stall/models/models.yml", 1, "dbt-warning"),  # gone.sql isn't there
        ("dbt/stall/models/models.yml", 6, "described"),
        ("dbt/stall/models/models.yml", 6, "tested"),
        ("dbt/stall/models/shouted.sql", 1, "sql-CP01"),
        ("dags/bad.py", 9, "dag-owned"),
        ("dags/bad.py", 9, "dag-tagged"),
        ("dags/bad.py", 9, "dag-documented"),
    }


def test_a_project_that_does_not_parse_is_a_finding(tmp_path: Path) -> None:
    projects.small(tmp_path / "dbt", "shop", {"models/a.sql": "select id from {{ ref('nowhere') }}\n"})
    (tmp_path / "dags").mkdir()
    done = CliRunner().invoke(lint, ["--source", str(tmp_path)])
    assert done.exit_code == 1
    assert "dbt/shop/models/a.sql:1: " in done.stdout
    assert "nowhere" in done.stdout


def test_this_repository_is_clean() -> None:
    done = CliRunner().invoke(lint, ["--source", str(REPOSITORY)])
    assert done.stdout == ""
    assert done.exit_code == 0
