"""A run that failed, gone on with after the fix: only what failed or was skipped for it runs again."""

from dataclasses import dataclass
from typing import Any

from mwaactl.environments import Environment
from mwaactl.errors import Problem
from mwaactl.release import runs
from mwaactl.release.rest import Rest

#: The tasks by which a run leaves others out: they decide again where skipped tasks are cleared, before those start.
DECIDERS = ("select_nodes", "source_freshness")
#: Runs whatever happens; if it was skipped, a person (or a time limit) ended the run, and what waited was skipped.
_LAST = "outcome"
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
    ended_from_outside = states.get(_LAST) == "skipped"
    wanted = [key for key, state in states.items() if state in _NOT_RUN]
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
