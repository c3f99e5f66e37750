"""What a run leaves out: told to the scheduler by the last of its first tasks, and once more to tasks that start anew.

`select_nodes` finds out what the form leaves out, `source_freshness` what hangs below stale sources. All of it is
skipped at once, when every first task has ended: a node whose parents are left out would start at that moment. Airflow
forgets it when a skipped task is cleared, as it is with what hangs below another. So in a run with a selection each
task asks again, in a run of which something was cleared too, and a task about several nodes always. Others ask nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from mwaa_dbt.compat import AirflowSkipException, DownstreamTasksSkipped
from mwaa_dbt.staleness import name_of
from mwaa_dbt.task_scope import SELECT_NODES, SOURCE_FRESHNESS

if TYPE_CHECKING:
    from airflow.sdk import Context

#: The XCom of `select_nodes` in a run that leaves tasks out: their ids.
UNSELECTED = "unselected"
#: The XCom of `source_freshness` in a run with stale sources: their words, the tasks below, nodes of other tasks below.
STALE = "stale"


def skip(context: Context, also: Iterable[str] = ()) -> None:
    """Have the scheduler skip the tasks that the run's form leaves out, and `also`.

    Raises:
        DownstreamTasksSkipped: with these tasks, if there are any.
    """
    partial = context["params"].get("select") or context["params"].get("exclude")
    unselected = _told(context["ti"], SELECT_NODES, UNSELECTED) if partial else ()
    if tasks := [*dict.fromkeys([*unselected, *also])]:
        raise DownstreamTasksSkipped(tasks=tasks)


def nodes(node_ids: Collection[str], context: Context) -> set[str]:
    """Return which of a task's nodes don't run because the run found their source stale.

    Raises:
        AirflowSkipException: if none is left, or the form leaves the task out; in words.
    """
    params, ti = context["params"], context["ti"]
    cleared = bool(getattr(context.get("dag_run"), "clear_number", 0))
    if not node_ids:
        return set()
    if (params.get("select") or params.get("exclude")) and ti.task_id in _told(ti, SELECT_NODES, UNSELECTED):
        raise AirflowSkipException("The run's form leaves it out: what is cleared keeps the run's selection.")
    if not params.get("freshness") or not (cleared or len(node_ids) > 1):
        return set()
    stale: dict[str, Any] = _told(ti, SOURCE_FRESHNESS, STALE)
    if sources := stale.get("skipped", {}).get(ti.task_id):
        why = "; ".join(f"source {name_of(source)}: {stale['sources'][source]}" for source in sources)
        raise AirflowSkipException(
            f"Below a stale source ({why}). Load it and clear {SOURCE_FRESHNESS} with downstream, or start a run "
            "without the form's source freshness."
        )
    return set(stale.get("partly", {}).get(ti.task_id, ()))


def _told(ti: Any, task_id: str, key: str) -> Any:
    return ti.xcom_pull(task_ids=task_id, key=key, map_indexes=-1) or {}
