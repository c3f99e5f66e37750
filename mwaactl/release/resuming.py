"""A run that failed, gone on with after the fix: only what failed or was skipped for it runs again."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mwaactl.environments import Environment
from mwaactl.errors import Problem
from mwaactl.release import runs
from mwaactl.release.rest import Rest

#: A run's first tasks, the last of which leaves others out (mwaa_dbt/left_out.py): they decide again where skipped
#: tasks are cleared, before those start.
DECIDERS = ("select_nodes", "wait_for_turn", "on_run_start", "source_freshness")
#: Runs whatever happens; if it was skipped, a person (or a time limit) ended the run, and what waited was skipped.
#: Where the run's form leaves out what comes last it begins early, and fails like whatever ran.
_LAST = "outcome"
#: Skip themselves after a run that wasn't of everything in production (mwaa_dbt/production.py).
_FOR_PRODUCTION = ("PublishDocs", "PublishState")
_NOT_RUN = ("failed", "upstream_failed")


@dataclass(frozen=True)
class Resumed:
    """A run that goes on: its id, and the tasks that run again."""

    run_id: str
    tasks: tuple[str, ...]


def resume(environment: Environment, dag_id: str, run_id: str | None, skipped: bool, unpause: bool = False) -> Resumed:
    """Clear what didn't succeed in a run of `dag_id` that has ended, and return what runs again.

    Args:
        environment: where.
        dag_id: the DAG.
        run_id: the run; None: the DAG's last one that failed.
        skipped: whether what was skipped runs again, too. So it does if the run was ended from outside: Airflow skips
            what had not begun (airflow/api/common/mark_tasks.py, `set_dag_run_state_to_failed`).
        unpause: whether a paused DAG is unpaused.

    Raises Problem when there is no such run, when it hasn't ended, or when nothing in it failed.
    """
    rest = Rest(environment)
    path = runs.ready(rest, dag_id, unpause)
    run = runs.read(rest, dag_id, run_id or _last_failed(rest, dag_id))
    if run.state not in runs.ENDED:
        raise Problem(
            f"{dag_id} {run.run_id} is {run.state}: it hasn't ended.",
            f"Wait for it: `mwaactl wait {dag_id} {run.run_id} -e {environment.name}`.",
        )
    states = {_key(task): task["state"] for task in run.tasks}
    wanted = [key for key, state in states.items() if state in _NOT_RUN]
    ended_from_outside = states.get(_LAST) == "skipped" or (
        bool(wanted) and _LAST in states and _skipped_from_outside(run.tasks)
    )
    if skipped or ended_from_outside:
        left = [key for key, state in states.items() if state in ("skipped", None)]
        # Without them, what the run's form left out would run now.
        wanted += [*left, *(key for key in states if left and key in DECIDERS and key not in wanted)]
    if not wanted:
        raise Problem(f"In {dag_id} {run.run_id} nothing failed.", "To run it again as a whole, clear it in the UI.")
    if _LAST in states and _LAST not in wanted:
        wanted.append(_LAST)
    named = [key if isinstance(key, str) else list(key) for key in wanted]
    body: dict[str, Any] = {"dry_run": False, "dag_run_id": run.run_id, "only_failed": False, "task_ids": named}
    rest.call("POST", f"{path}/clearTaskInstances", body=body)
    return Resumed(run.run_id, tuple(sorted(key if isinstance(key, str) else key[0] for key in wanted)))


def _skipped_from_outside(tasks: Iterable[dict[str, Any]]) -> bool:
    """Return whether a task was skipped that no decider left out. (One too many only means that they decide again.)

    Which they left out is in XComs, whose paths in the API are longer than what MWAA passes on. But Airflow dates what
    a task skips within that task (`ti_skip_downstream` of its execution API), and what a person skips after it.
    """
    tasks = list(tasks)
    deciders = [task for task in tasks if task["task_id"] in DECIDERS]
    left_out = [(_moment(task, "start_date"), _moment(task, "end_date")) for task in deciders if _decided(task)]
    skipped = [task for task in tasks if task["state"] == "skipped" and task.get("operator") not in _FOR_PRODUCTION]
    moments = [_moment(task, "start_date") for task in skipped if task.get("start_date")]
    return bool(deciders) and not all(any(start <= one <= end for start, end in left_out) for one in moments)


def _decided(task: dict[str, Any]) -> bool:
    return task["state"] == "success" and bool(task.get("start_date")) and bool(task.get("end_date"))


def _moment(task: dict[str, Any], field: str) -> datetime:
    return datetime.fromisoformat(task[field])


def _key(task: dict[str, Any]) -> Any:
    """Return how Airflow's `clearTaskInstances` names a task instance: with its index, if it is mapped."""
    index = task.get("map_index", -1)
    return task["task_id"] if index in (None, -1) else (task["task_id"], index)


def _last_failed(rest: Rest, dag_id: str) -> str:
    body = {"dag_ids": [dag_id], "states": ["failed"], "order_by": "-run_after", "page_limit": 1}
    found = rest.call("POST", "/dags/~/dagRuns/list", body=body)["dag_runs"]
    if not found:
        raise Problem(f"No run of {dag_id} has failed.", "Name the run that is to go on: `mwaactl resume DAG RUN`.")
    return str(found[0]["dag_run_id"])
