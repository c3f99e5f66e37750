"""What changes in the DAGs, when it is plugins and configuration options that change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mwaactl.ci import dag_changes
from mwaactl.environments import Environment
from mwaactl.errors import Problem
from mwaactl.local import options
from tests import projects
from tests.mwaactl.ci.production import put_release

FILES = {
    "dags/daily.py": """
        from airflow.providers.standard.operators.empty import EmptyOperator
        from airflow.sdk import DAG, conf
        from shop_plugin import NAMES
        with DAG("daily"):
            for name in [*NAMES, conf.get("shop", "last")]:
                EmptyOperator(task_id=name)
        """,
    "plugins/shop_plugin.py": "NAMES = ['a', 'b']",
    options.OPTIONS_FILE: "shop.last: before",
}


def test_plugins_and_options_change_dags(new_environment: Callable[[str], Environment], tmp_path: Path) -> None:
    environment, source = new_environment("plugins-bucket"), tmp_path / "source"
    projects.write(source, FILES)
    put_release(environment, source, "r1")
    assert dag_changes.between(environment, source, tmp_path / "1", {}) == dag_changes.Changes()
    (source / "plugins" / "shop_plugin.py").write_text("NAMES = ['b', 'c']")
    (source / options.OPTIONS_FILE).write_text("shop.last: after")
    found = dag_changes.between(environment, source, tmp_path / "2", {})
    assert found.notes == []
    assert found.added == ["daily.after", "daily.c"]
    assert found.removed == ["daily.a", "daily.before"]


def test_a_release_without_a_record_is_said(new_environment: Callable[[str], Environment], tmp_path: Path) -> None:
    environment, source = new_environment("recordless-bucket"), tmp_path / "source"
    projects.write(source, FILES)
    put_release(environment, source, "r1")
    environment.client("s3").delete_object(Bucket=environment.bucket, Key="mwaactl/releases/r1.json")
    found = dag_changes.between(environment, source, tmp_path / "1", {})
    (note,) = found.notes
    assert "configuration options of here" in note
    assert "no release r1" in note
    assert (found.added, found.removed) == ([], [])


def test_plugins_that_can_not_be_unpacked_are_said(
    new_environment: Callable[[str], Environment], tmp_path: Path
) -> None:
    environment, source = new_environment("broken-bucket"), tmp_path / "source"
    projects.write(source, FILES)
    put_release(environment, source, "r1")
    environment.client("s3").put_object(Bucket=environment.bucket, Key="plugins.zip", Body=b"no zip")
    with pytest.raises(Problem, match=r"(?s)plugins\.zip can't be unpacked.*Release again"):
        dag_changes.between(environment, source, tmp_path / "1", {})
