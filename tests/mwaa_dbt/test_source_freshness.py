"""A DAG's look at its sources, with the real dbt: what is stale is skipped, in words, and the rest runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import DownstreamTasksSkipped
from mwaa_dbt import DbtProject, alerts
from mwaa_dbt.errors import DbtError
from mwaa_dbt.results import Outcome

from tests.mwaa_dbt.executing import FORM

#: What is made from the one source of the zoo with a limit, and the task of all tests at the end.
BELOW = {"all.stg_visits_run"}


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What goes to the run's last message."""
    told: list[str] = []

    def note(context: Any, outcome: Outcome) -> None:
        told.extend(f"{node.name}: {node.message}" for node in outcome.nodes if node.warned)

    monkeypatch.setattr(alerts, "note_warnings", note)
    return told


@pytest.fixture
def visits(workspace: Path, tmp_path: Path, connection: Callable[..., str]) -> Callable[[timedelta | None], None]:
    """Return a function that fills the source with one row of so long ago (None: there is no such table)."""
    import duckdb

    file = tmp_path / "warehouse.duckdb"
    connection("zoo_dev", conn_type="duckdb", host=str(file))
    sources = workspace / "zoo" / "models" / "staging" / "sources.yml"
    limits = "{warn_after: {count: 1, period: day}, error_after: {count: 7, period: day}}"
    changed = sources.read_text().replace("{warn_after: {count: 1, period: day}}", limits)
    assert changed != sources.read_text()
    sources.write_text(changed)

    def fill(age: timedelta | None) -> None:
        with duckdb.connect(str(file)) as db:
            db.execute("create or replace table visits (id integer, loaded_at timestamp)")
            if age is None:
                db.execute("drop table visits")
            else:
                db.execute("insert into visits values (1, ?)", [datetime.now(UTC).replace(tzinfo=None) - age])

    return fill


class Ti(SimpleNamespace):
    """A task instance that keeps its XComs."""

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value

    def xcom_pull(self, **kwargs: Any) -> None:
        """Have none of other tasks."""


def look(**form: Any) -> tuple[set[str], dict[str, Any]]:
    """Run the task; return what it skipped, and its XComs."""
    project = DbtProject("zoo")
    with DAG("d", schedule=None, params=project.run_params(freshness=True)) as dag:
        project.task_group("all")
    task: Any = dag.get_task("source_freshness")
    ti = Ti(task=task, task_id="source_freshness", dag_id="d", run_id="r", try_number=1, map_index=-1, pushed={})
    try:
        task.execute({"params": {**FORM, "freshness": True, **form}, "run_id": "r", "ti": ti, "task": task})
    except DownstreamTasksSkipped as skipped:
        return set(skipped.tasks), ti.pushed
    return set(), ti.pushed


def test_fresh(visits: Callable[..., None], warned: list[str]) -> None:
    visits(timedelta(hours=1))
    assert look() == (set(), {})
    assert warned == []


def test_late_is_a_warning_of_the_run(visits: Callable[..., None], warned: list[str]) -> None:
    visits(timedelta(days=3))
    assert look() == (set(), {})
    (words,) = warned
    assert words.startswith("source shop.visits: its newest row is of ")
    assert words.endswith("3 days before; more than 1 days is too old")


def test_stale_skips_what_is_below_and_says_why(
    visits: Callable[..., None], warned: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    visits(timedelta(days=9))
    skipped, pushed = look()
    assert skipped == BELOW
    (words,) = warned
    assert words.startswith("source shop.visits: stale: its newest row is of ")
    assert words.endswith("9 days before; more than 7 days is too old. Tasks skipped below it: 1.")
    assert pushed["stale"]["skipped"] == {"all.stg_visits_run": ["source.zoo.shop.visits"]}


def test_no_look_at_sources_of_what_does_not_run(visits: Callable[..., None], warned: list[str]) -> None:
    visits(timedelta(days=9))
    assert look(select="fct_orders") == (set(), {})
    assert look(exclude="stg_visits") == (set(), {})
    assert look(freshness=False) == (set(), {})
    assert warned == []
    assert look(select="stg_visits")[0] == BELOW


def test_what_dbt_could_not_tell_fails_the_task(visits: Callable[..., None]) -> None:
    visits(None)
    with pytest.raises(DbtError, match=r"(?s)source visits .*visits does not exist"):
        look()
