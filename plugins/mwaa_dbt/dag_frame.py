"""The tasks that stand around a DAG's groups: the form's, the lock's, source freshness, hooks, outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, BaseOperator, chain

from mwaa_dbt.errors import ConfigurationError
from mwaa_dbt.exclusion.tasks import WAIT_FOR_TURN, WaitForTurn
from mwaa_dbt.outcome import Outcome
from mwaa_dbt.run_hooks import RunHooks
from mwaa_dbt.select_nodes import SelectNodes
from mwaa_dbt.source_freshness import SourceFreshness
from mwaa_dbt.task_scope import ON_RUN_END, ON_RUN_START, OUTCOME, SELECT_NODES, SOURCE_FRESHNESS
from mwaa_dbt.warm import hooks

if TYPE_CHECKING:
    from mwaa_dbt.project import DbtProject


@dataclass(frozen=True)
class Frame:
    """What every group waits for, what waits for every group, and the task that tells the run's outcome."""

    first: BaseOperator | None = None
    last: tuple[BaseOperator, ...] = ()
    outcome: BaseOperator | None = None


def make(dag: DAG, project: DbtProject, command: str) -> Frame:
    """Make the tasks around the groups of `project` in `dag`.

    `command` is what a run is as a whole, to the hooks: build or test.

    Raises:
        ConfigurationError: if the DAG has a lock already, or another project beside a form or a lock.
    """
    # A DAG without the form can't be asked for less than everything.
    asked = "target" in dag.params
    _check_single(dag, project)
    select = SelectNodes(task_id=SELECT_NODES, resolve=project.resolve) if asked else None
    wait = _wait_for_turn(project.lock) if project.lock else None
    freshness = _source_freshness(project) if "freshness" in dag.params else None
    start, end = _hooks(dag, project, command)
    # In a row: a form that can't be followed needs no turn, and the last of them skips what the run leaves out.
    first = [task for task in (select, wait, start, freshness) if task is not None]
    chain(*first)
    if first:
        first[-1].leaves_out = True
    # on-run-end runs after failures, too: without `outcome` a failed run would pass for a success.
    # Another project with hooks may have made it: one tells of both.
    outcome = next((task for task in dag.tasks if isinstance(task, Outcome)), None)
    if outcome is None and (asked or project.lock or end is not None):
        outcome = Outcome(task_id=OUTCOME, lock=project.lock)
    if end is not None and outcome is not None:
        end >> outcome
    last = tuple(task for task in (end, outcome) if task is not None)
    return Frame(first[-1] if first else None, last, outcome)


def _check_single(dag: DAG, project: DbtProject) -> None:
    """Raise ConfigurationError where a DAG of several projects has what only one can have."""
    if dag.has_task(WAIT_FOR_TURN) and (project.lock or dag.has_task(OUTCOME)):
        # Two locks in one DAG could be taken in one order here and in the other there: each would wait for the other.
        why = f"has a lock already (one DAG, one lock): {project.name!r} can't be in it, too"
    elif dag.has_task(SELECT_NODES):
        why = f"has a trigger form, which is about one project's nodes: {project.name!r} can't be in it, too"
    elif project.lock and dag.has_task(OUTCOME):
        why = f"holds another project already, which would work without the lock {project.lock!r}"
    else:
        return
    raise ConfigurationError(
        f"The DAG {dag.dag_id} {why}. Give each project a DAG of its own (docs/own-project.md, Several projects); "
        "groups of one project come from one DbtProject."
    )


def _wait_for_turn(lock: str) -> WaitForTurn:
    return WaitForTurn(task_id=WAIT_FOR_TURN, lock=lock)


def _source_freshness(project: DbtProject) -> SourceFreshness:
    return SourceFreshness(
        task_id=SOURCE_FRESHNESS,
        manifest=project.manifest,
        selected=project.resolve,
        hooks=hooks.NONE if project.hooks_once else "",
        **project.task_args(),
    )


def _hooks(dag: DAG, project: DbtProject, command: str) -> tuple[RunHooks | None, RunHooks | None]:
    kinds = project.hooks() if project.hooks_once else ()
    args: dict[str, Any] = {"command": command, **project.task_args()}
    # A DAG may hold groups of several projects.
    suffix = f"_{project.name}" if dag.has_task(ON_RUN_START) or dag.has_task(ON_RUN_END) else ""
    start = end = None
    if hooks.START in kinds:
        start = RunHooks(task_id=f"{ON_RUN_START}{suffix}", kind=hooks.START, **args)
    if hooks.END in kinds:
        started = start.task_id if start is not None else None
        end = RunHooks(
            task_id=f"{ON_RUN_END}{suffix}", kind=hooks.END, started=started, trigger_rule="all_done", **args
        )
    return start, end
