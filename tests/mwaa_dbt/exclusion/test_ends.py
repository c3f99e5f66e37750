"""After tasks that failed by themselves the next run goes on at once; after others it waits for the grace."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException
from mwaa_dbt import DbtProject, WaitForTurn, operators
from mwaa_dbt.errors import ConfigurationError, DbtError
from mwaa_dbt.outcome import Outcome

from airflow.sdk import DAG  # isort: skip
from tests.mwaa_dbt.exclusion.conftest import Airflow
from tests.mwaa_dbt.executing import FORM

Work = Callable[..., list[str]]


@pytest.fixture
def work(dbt_root: Path, tmp_path: Path, connection: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> Work:
    """Return a function that lets a task of the zoo fail, and returns the keys of the XComs it left."""
    connection("zoo_dev", conn_type="duckdb", host=str(tmp_path / "zoo.duckdb"))

    def fail(status: int | None, lock: str | None = "zoo") -> list[str]:
        """`status`: what dbt ends with; None: it doesn't start."""
        monkeypatch.setattr(operators, "start", lambda *_, **__: SimpleNamespace(run=lambda on_line: status))
        if status is None:
            monkeypatch.setenv("AIRFLOW__MWAA_DBT__CONNECTION", "nobody")
        project = DbtProject("zoo", lock=lock)
        with DAG("ends", schedule=None, params=project.run_params()) as dag:
            project.task_group("all")
        task = dag.get_task("all.int_alone_run")
        left: list[str] = []
        ti = SimpleNamespace(task=task, task_id=task.task_id, dag_id="ends", run_id="r", try_number=1, map_index=-1)
        ti.xcom_pull = lambda **_: None
        ti.xcom_push = lambda key, value: left.append(key)
        error = ConfigurationError if status is None else DbtError
        with pytest.raises(error):
            task.execute({"params": FORM, "run_id": "r", "ti": ti, "task_instance": ti, "task": task})
        return left

    return fail


@pytest.mark.parametrize("status", [1, 2, None])
def test_a_task_that_fails_by_itself_says_so(work: Work, status: int | None) -> None:
    assert work(status) == ["ended"]


@pytest.mark.parametrize("status", [-2, -9])
def test_one_whose_dbt_was_killed_says_nothing(work: Work, status: int) -> None:
    assert work(status) == []


def test_without_a_lock_nobody_needs_to_know(work: Work) -> None:
    assert work(1, lock=None) == []


@pytest.mark.usefixtures("s3")
@pytest.mark.parametrize("said", [("a", "b"), ("a",), ()])
def test_the_next_run_comes_at_once_if_all_that_failed_said_so(
    airflow: Airflow, monkeypatch: pytest.MonkeyPatch, said: tuple[str, ...]
) -> None:
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__LOCK_GRACE", "1000")
    init, transform = airflow.context("init"), airflow.context("transform")
    wait = WaitForTurn(task_id="wait_for_turn", lock="flights")
    assert wait.poke(init)  # type: ignore[arg-type]
    states = {"a": "failed", "b": "failed", "c": "success", "d": "upstream_failed", "outcome": "running"}
    ti = init["ti"]
    ti.dag_id, ti.run_id, ti.task_id = "init", "r", "outcome"
    ti.get_task_states = lambda dag_id, run_ids: {"r": states}
    ti.xcom_pull = lambda task_ids, key, map_indexes: task_ids in said or None
    with pytest.raises(AirflowFailException, match=r"^2 failed: a, b\."):
        Outcome(task_id="outcome", lock="flights").poke(init)  # type: ignore[arg-type]
    airflow.running.remove(("init", "r"))
    assert wait.poke(transform) is (said == ("a", "b"))  # type: ignore[arg-type]
