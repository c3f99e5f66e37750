"""The first task of a DAG with a trigger form: finds out what the run leaves out."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from mwaa_dbt import left_out, settings
from mwaa_dbt.errors import SelectionError
from mwaa_dbt.run_form import RunForm
from mwaa_dbt.window import END, START

if TYPE_CHECKING:
    from airflow.sdk import Context


class SelectNodes(BaseOperator):
    """Checks the run's form and finds the tasks of nodes outside the selection, which are then skipped (left_out.py).

    Args:
        resolve: returns the unique ids of the nodes that a form selects.
    """

    #: Whether it is the last of the run's first tasks.
    leaves_out = False

    ui_color = "#e8f7e4"

    def __init__(self, *, resolve: Callable[[RunForm], set[str]], **kwargs: Any) -> None:
        super().__init__(**{"retries": 0, **kwargs})
        self._resolve = resolve

    def execute(self, context: Context) -> None:
        """Find out what the form leaves out; skip it, unless another first task does.

        Raises:
            DownstreamTasksSkipped: with the tasks to be skipped.
            SelectionError: if the form can't be followed, in words for the person who filled it in.
        """
        _check_fields(getattr(context.get("dag_run"), "conf", None) or {}, self.dag.params)
        form = RunForm.of_run(context, settings.target())
        self.log.info("Target %s%s", form.target, ", full refresh" if form.full_refresh else "")
        if START in form.vars:
            self.log.info("Window from %s until before %s UTC", form.vars[START], form.vars[END])
        if not form.partial:
            self.log.info("Every node runs.")
            return
        selected = self._resolve(form)
        node_tasks = {task.task_id: ids for task in self.dag.tasks if (ids := getattr(task, "node_ids", ()))}
        skipped = [task_id for task_id, ids in node_tasks.items() if not selected.intersection(ids)]
        self.log.info("%d of %d tasks run; the others are skipped.", len(node_tasks) - len(skipped), len(node_tasks))
        if len(skipped) == len(node_tasks):
            raise SelectionError(
                f"select={' '.join(form.select)!r} exclude={' '.join(form.exclude)!r} leaves no task of this DAG."
            )
        if skipped:
            context["ti"].xcom_push(key=left_out.UNSELECTED, value=skipped)
        if self.leaves_out:
            left_out.skip(context, skipped)


def _check_fields(conf: Mapping[str, Any], known: Iterable[str]) -> None:
    # Airflow takes any field; a misspelt `select` would run everything.
    names = list(known)
    for name in conf:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise SelectionError(f"The form has no field {name!r}.{hint} Its fields: {', '.join(names)}.")
