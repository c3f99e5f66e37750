"""Hooks once per DAG run, with the real dbt: they do what they do around a plain `dbt build`, and nodes run without."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowRescheduleException, AirflowSkipException
from mwaa_dbt import DbtProject
from mwaa_dbt.errors import DbtError
from mwaa_dbt.exclusion.tasks import Guard
from mwaa_dbt.warm import hooks

from tests import projects
from tests.mwaa_dbt.executing import FORM

#: What the hooks of the zoo note, in a table of the warehouse.
MACROS = """
    {% macro note(what) %}
      {% do run_query("create table if not exists main.noted (what varchar)") %}
      {% do run_query("insert into main.noted values ('" ~ what ~ "')") %}
      select 1
    {% endmacro %}

    {% macro note_end() %}
      {% set found = namespace(lines=[]) %}
      {% for result in results %}
        {% do found.lines.append(result.node.unique_id ~ ' ' ~ result.status) %}
      {% endfor %}
      {{ note('end ' ~ schemas | sort | join(',') ~ ' | ' ~ database_schemas | length ~ ' | '
              ~ found.lines | sort | join(';') ~ ' | ' ~ selected_resources | length ~ ' | ' ~ flags.FULL_REFRESH) }}
    {% endmacro %}
    """
NODES = "raw_orders stg_orders int_paid fct_divided"


class Zoo:
    """The zoo with hooks that note what they see, and its warehouse."""

    def __init__(self, root: Path, venv: Path, file: Path) -> None:
        self.root, self.venv, self.file = root, venv, file

    def noted(self) -> list[str]:
        """Return what the hooks noted since the last time."""
        import duckdb

        with duckdb.connect(str(self.file)) as db:
            rows = [row[0] for row in db.execute("select what from main.noted").fetchall()]
            db.execute("delete from main.noted")
        return rows

    def plain(self, *args: str) -> int:
        """Run dbt itself, as on a laptop."""
        profiles = self.root / "profiles.yml"
        profiles.write_text(f"zoo: {{target: dev, outputs: {{dev: {{type: duckdb, path: '{self.file}'}}}}}}")
        where = ["--project-dir", str(self.root / "zoo"), "--profiles-dir", str(self.root)]
        target = ["--target-path", str(self.root / "target"), "--log-path", str(self.root / "target")]
        done = subprocess.run([str(self.venv / "bin" / "dbt"), *args, *where, *target], capture_output=True, text=True)
        assert "Traceback" not in done.stdout, done.stdout
        return done.returncode

    def dag(self, **settings: Any) -> DAG:
        project = DbtProject("zoo", **settings)
        with DAG("d", schedule=None, params=project.run_params()) as dag:
            project.task_group("all")
        return dag

    def run(self, task_id: str, states: dict[str, str] | None = None, dag: DAG | None = None, **form: Any) -> None:
        """Run a task as a worker does, in a run whose tasks are in these `states`."""
        dag = dag or self.dag()
        task: Any = dag.get_task(task_id)

        def get_task_states(dag_id: str, run_ids: list[str]) -> dict[str, Any]:
            left_out = {one.task_id: "skipped" for one in dag.tasks}
            return {run_ids[0]: {**left_out, "on_run_start": "success", **(states or {})}}

        ti = SimpleNamespace(task=task, task_id=task_id, dag_id="d", run_id="r", try_number=1, map_index=-1)
        ti.get_task_states, ti.xcom_pull = get_task_states, lambda **kwargs: None
        task.execute({"params": {**FORM, **form}, "run_id": "r", "ti": ti, "task": task})


@pytest.fixture(params=[True, pytest.param(False, marks=pytest.mark.long)], ids=["warm", "plain"])
def zoo(
    request: pytest.FixtureRequest,
    workspace: Path,
    venv: Path,
    tmp_path: Path,
    connection: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> Zoo:
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__WARM", str(request.param))
    project = workspace / "zoo"
    projects.write(project, {"macros/note.sql": MACROS})
    file = project / "dbt_project.yml"
    text = file.read_text().replace('["select 1"]', "[\"{{ note('start') }}\"]").replace("log_end()", "note_end()")
    file.write_text(text)
    connection("zoo_dev", conn_type="duckdb", host=str(tmp_path / "warehouse.duckdb"))
    return Zoo(workspace, venv, tmp_path / "warehouse.duckdb")


STATES = {
    "all.raw_orders.seed": "success",
    "all.raw_orders.test": "success",
    "all.stg_orders_model_build": "success",
    "all.int_paid_run": "success",
    "all.fct_divided.run": "success",
    "all.fct_divided.test": "failed",
}


def test_once_per_run_they_note_what_a_plain_build_has_them_note(zoo: Zoo) -> None:
    assert zoo.plain("build", "--select", *NODES.split(), "--exclude", "stg_customers", "--vars", "{number: 7}") == 1
    start, end = zoo.noted()
    assert start == "start"
    form = {"select": NODES, "exclude": "stg_customers", "vars": {"number": 7}}

    zoo.run("on_run_start", **form)
    assert zoo.noted() == ["start"]
    for task_id in ("all.raw_orders.seed", "all.stg_orders_model_build", "all.int_paid_run", "all.fct_divided.run"):
        zoo.run(task_id, **form)
    assert zoo.noted() == [], "a node's command runs no hooks"
    zoo.run("on_run_end", STATES, **form)
    (ours,) = zoo.noted()

    schemas, databases, results, selected, refresh = (part.strip() for part in ours.split("|"))
    theirs = [part.strip() for part in end.split("|")]
    assert (schemas, databases, selected, refresh) == (theirs[0], theirs[1], theirs[3], theirs[4])
    # Tests that run in the task of their model, and those at the end of the group, have no task that tells of them.
    mine, all_of_them = set(results.split(";")), set(theirs[2].split(";"))
    assert mine < all_of_them
    assert {one.split(".")[0] for one in all_of_them - mine} == {"test"}
    assert any(one.startswith("test.zoo.accepted_values_fct_divided") and one.endswith(" fail") for one in mine)


def test_nothing_but_hooks_runs_and_full_refresh_is_known(zoo: Zoo) -> None:
    import duckdb

    zoo.run("on_run_start", full_refresh=True)
    zoo.run("on_run_end", {"all.raw_orders.seed": "success"}, full_refresh=True)
    end = zoo.noted()[1]
    assert end.startswith("end main | 1 | seed.zoo.raw_orders success |")
    assert end.endswith("| True")
    with duckdb.connect(str(zoo.file)) as db:
        assert db.execute("select table_name from information_schema.tables").fetchall() == [("noted",)]


def test_a_hook_that_fails_fails_its_task_with_dbts_words(zoo: Zoo) -> None:
    file = zoo.root / "zoo" / "dbt_project.yml"
    file.write_text(file.read_text().replace("{{ note('start') }}", "select * from nowhere"))
    with pytest.raises(DbtError, match=r"(?s)operation zoo-on-run-start-0: .*nowhere does not exist"):
        zoo.run("on_run_start")


def test_on_request_they_run_with_every_nodes_command(zoo: Zoo) -> None:
    dag = zoo.dag(hooks="node")
    assert "on_run_start" not in dag.task_ids
    zoo.run("all.raw_orders.seed", dag=dag)
    start, end = zoo.noted()
    assert start == "start"
    assert "seed.zoo.raw_orders success" in end


def test_all_artifacts_leave_the_hooks_out_as_well(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__ARTIFACTS", "all")
    zoo.run("on_run_start")
    zoo.run("all.raw_orders.seed")
    assert zoo.noted() == ["start"]


def test_the_end_waits_for_what_has_not_ended_and_is_not_told_where_nothing_began(dbt_root: Path) -> None:
    zoo = Zoo(dbt_root, dbt_root, dbt_root)
    with pytest.raises(AirflowRescheduleException):
        zoo.run("on_run_end", {"all.fct_orders.run": "running"})
    with pytest.raises(AirflowSkipException, match="Nothing of this run has begun"):
        zoo.run("on_run_end", {"on_run_start": "upstream_failed", "all.fct_orders.run": "upstream_failed"})


def test_the_end_asks_for_the_runs_turn_only_if_something_began(
    dbt_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo = Zoo(dbt_root, dbt_root, dbt_root)
    dag = zoo.dag(lock="zoo")
    end = dag.get_task("on_run_end")
    assert end._pre_execute_hook is None, "Airflow would ask before the task has looked at its run"
    asked: list[Any] = []

    def ask(guard: Guard, context: Any) -> None:
        asked.append(guard.lock)
        raise AirflowRescheduleException(datetime.now(tz=UTC))

    monkeypatch.setattr(Guard, "__call__", ask)
    nothing = {"on_run_start": "upstream_failed", "all.fct_orders.run": "upstream_failed"}
    with pytest.raises(AirflowSkipException, match="Nothing of this run has begun"):
        zoo.run("on_run_end", nothing, dag=dag)
    assert asked == [], "a run that gave up waiting for its turn doesn't wait again"
    with pytest.raises(AirflowRescheduleException):
        zoo.run("on_run_end", {"all.fct_orders.run": "success"}, dag=dag)
    assert asked == ["zoo"], "before any dbt starts"


def test_their_place_in_the_dag(dbt_root: Path) -> None:
    dag = Zoo(dbt_root, dbt_root, dbt_root).dag()
    end = dag.get_task("on_run_end")
    assert end.trigger_rule == "all_done", "as dbt's, they run after failures"
    assert end.downstream_task_ids == {"outcome"}, "which alone says that the run failed"
    assert dag.get_task("on_run_start").upstream_task_ids == {"select_nodes"}
    assert {task.task_id for task in dag.tasks if task.upstream_task_ids == {"on_run_start"}} > {
        "all.raw_orders.seed",
        "all.int_alone_run",
    }


def test_a_project_without_hooks_has_no_tasks_for_them(dbt_root: Path) -> None:
    project = DbtProject("flights")
    with DAG("d", schedule=None) as dag:
        project.task_group("all")
    assert not {"on_run_start", "on_run_end", "outcome"} & set(dag.task_ids)


def test_a_dbt_that_has_changed_is_refused(venv: Path) -> None:
    """Without its places the hooks' task would run the whole project."""
    warm = Path(hooks.__file__).parent
    code = f"import sys; sys.path.insert(0, {str(warm)!r}); import lean, hooks, launcher;"
    code += "hooks.apply(); assert not lean.MISSING, lean.MISSING;"
    code += "assert launcher.run(['--version']) == 0; lean.MISSING.append('dbt.task.run:RunTask.get_hooks_by_type');"
    code += "sys.exit(launcher.run(['run']))"
    env = {**os.environ, hooks.WHICH: hooks.START}
    done = subprocess.run([str(venv / "bin" / "python"), "-c", code], capture_output=True, text=True, env=env)
    assert done.returncode == 2, done.stderr
    assert "Set [mwaa_dbt] hooks to node." in done.stdout
