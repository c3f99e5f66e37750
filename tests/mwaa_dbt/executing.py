"""Runs a task of the zoo as a worker does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.mwaa_dbt import rendering

#: What a run's form holds when nobody has touched it.
FORM = {"select": None, "exclude": None, "full_refresh": False, "target": "dev", "vars": None}


def execute(task_id: str, **form: Any) -> Any:
    """Run the task of the zoo as a worker does, with the given `form`; return the operator."""
    task = rendering.ours("zoo", form=True).get_task(f"all.{task_id}")
    ti = SimpleNamespace(task=task, task_id=task.task_id, dag_id="compared", run_id="r1", try_number=1, map_index=-1)
    ti.xcom_pull = lambda **kwargs: None  # the run's first tasks left nothing out
    task.execute({"params": {**FORM, **form}, "run_id": "r1", "ti": ti, "task_instance": ti, "task": task})
    return task
