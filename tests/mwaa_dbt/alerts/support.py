"""What the tests of alerts do again and again: failed tasks, ended runs, what Slack shows."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mwaa_dbt import alerts
from mwaa_dbt.errors import DbtError, DbtTestsFailed
from mwaa_dbt.results import NodeResult, Outcome

from mwaactl.local import sink

DAG, RUN = "flights_transform", "scheduled__2026-11-20T06:00:00+00:00"
ERROR = "Database Error in model fct_orders (models/marts/fct_orders.sql)\n  column <a> & {{ 7 * 7 }} ```not``` found"
LINK = "http://ui/dags/flights_transform/runs/1/tasks/marts.fct_orders.run?try_number=3"


class Slack:
    """The sink, and what it received."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "messages.jsonl"
        self.server = sink.start_slack(sink.MessageStore(self.file), 0)
        self.port = self.server.server_address[1]

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What came in, in its order."""
        return sink.read_messages(self.file)

    @property
    def seen(self) -> list[dict[str, Any]]:
        """What a person sees."""
        return sink.as_seen(self.messages)

    @property
    def heads(self) -> list[str]:
        """The texts that the channels show."""
        return [sink.plain_text(message) for message in self.seen if not message.get("reply")]

    @property
    def replies(self) -> list[str]:
        """The texts in threads."""
        return [sink.plain_text(message) for message in self.seen if message.get("reply")]

    def control(self, **faults: Any) -> None:
        """Misbehave as `faults` says."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/control", json.dumps(faults).encode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200


def task(name: str = "fct_orders", owner: str = "", project_dir: Path | None = None, **config: Any) -> Any:
    """Return an operator about the model `name`, as far as alerts look at it."""
    node = {
        "unique_id": f"model.zoo.{name}",
        "name": name,
        "resource_type": "model",
        "original_file_path": f"models/marts/{name}.sql",
        "config": {"meta": {"owner": owner}, **config} if owner else config,
    }
    return SimpleNamespace(
        owner="carla", extra_context={"dbt_node_config": node}, task_id=f"marts.{name}.run", project_dir=project_dir
    )


def form(run_id: str, target: str = "", **of_run: Any) -> dict[str, Any]:
    """Return what Airflow says of a run whose form names `target`; `of_run` is more about the run."""
    asked = {"target": target} if target else {}
    return {"dag_run": SimpleNamespace(run_id=run_id, conf=asked, **of_run), "params": asked, "run_id": run_id}


def context(
    exception: BaseException | None = None, of: Any = None, run_id: str = RUN, tries: int = 3, target: str = ""
) -> Any:
    """Return the context of a failed task as Airflow gives it to callbacks; no exception: it was killed."""
    of = of or task()
    ti = SimpleNamespace(dag_id=DAG, run_id=run_id, task_id=of.task_id, map_index=-1, try_number=tries, log_url=LINK)
    return {"ti": ti, "task": of, **form(run_id, target), **({"exception": exception} if exception else {})}


def failed(message: str = ERROR, node: str = "model.zoo.fct_orders") -> DbtError:
    """Return what a failed model raises."""
    error = DbtError("dbt run failed")
    error.outcome = Outcome(1, (NodeResult(node, "error", message, None, 0.1),))
    return error


def failed_tests(*names: str, rows: int = 3, query: str = "select 1 from x", table: str = "") -> DbtTestsFailed:
    """Return what failed tests raise."""
    error = DbtTestsFailed("dbt test failed")
    text = f"Got {rows} results, configured to fail if != 0"
    error.outcome = Outcome(
        1, tuple(NodeResult(f"test.zoo.{name}.ab12", "fail", text, rows, 0.1, query, table) for name in names)
    )
    return error


def fail(
    name: str = "fct_orders", run_id: str = RUN, message: str = ERROR, tries: int = 3, target: str = "", **of: Any
) -> None:
    """Let the task of the model `name` fail."""
    alerts.notify_failure(context(failed(message, f"model.zoo.{name}"), task(name, **of), run_id, tries, target))


def end(
    states: dict[str, str],
    run_id: str = RUN,
    tasks: list[Any] | None = None,
    success: bool | None = None,
    target: str = "",
) -> None:
    """Let the run end with these states of its tasks, by model's name."""
    found = {f"marts.{name}.run": state for name, state in states.items()}
    tasks = tasks if tasks is not None else [task(name) for name in states]
    if success is None:
        success = not {"failed", "upstream_failed"} & set(states.values())

    def get_task_states(dag_id: str, run_ids: list[str]) -> dict[str, Any]:
        assert (dag_id, run_ids) == (DAG, [run_id])
        return {run_id: found}

    dag = SimpleNamespace(dag_id=DAG, tasks=tasks, task_dict={each.task_id: each for each in tasks})
    of_run = form(run_id, target, state="success" if success else "failed")
    ti = SimpleNamespace(get_task_states=get_task_states)
    reason = "success" if success else "task_failure"
    alerts.notify_run_end({**of_run, "dag": dag, "ti": ti, "reason": reason})  # type: ignore[typeddict-item]
