"""A worker that builds one task only builds the same one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from tests.mwaa_dbt import rendering

GROUPS = {
    "zoo": [
        {"group_id": "seeds", "select": ["resource_type:seed"]},
        {"group_id": "staging", "select": ["path:models/staging", "resource_type:snapshot"]},
        {"group_id": "rest", "select": ["path:models/intermediate", "path:models/marts", "package:toolbox"]},
    ],
    "flights": [
        {"group_id": "seeds", "select": ["resource_type:seed"]},
        {"group_id": "staging", "select": ["path:models/staging"]},
        {"group_id": "all", "exclude": ["resource_type:seed", "path:models/staging"]},
    ],
}


# What hangs on a task without being its own.
NOT_COMPARED = {
    "_dag",
    "task_group",
    "upstream_task_ids",
    "downstream_task_ids",
    "_BaseOperator__init_kwargs",
    "params",
}


def essence(task: Any) -> dict[str, Any]:
    """Return all that a task is, but for its place in the DAG; objects by their class."""
    plain = (str, int, float, bool, tuple, list, set, dict, frozenset, type(None))
    attributes = {name: value for name, value in vars(task).items() if name not in NOT_COMPARED}
    # While Cosmos selects it gives a test its first parent's tags (selector.py:647); nothing reads them afterwards.
    node = dict(getattr(task, "extra_context", {}).get("dbt_node_config", {}), tags=None)
    if "extra_context" in attributes:
        attributes["extra_context"] = {**attributes["extra_context"], "dbt_node_config": node}
    return {
        "operator": type(task).__name__,
        "command": rendering.command(task),
        **{name: value if isinstance(value, plain) else type(value).__name__ for name, value in attributes.items()},
    }


def render(project: str, behavior: str) -> DAG:
    return rendering.ours(project, behavior, GROUPS[project], form=True, chain=True)


@pytest.mark.parametrize("behavior", ["after_each", "build"])
@pytest.mark.parametrize("project", GROUPS)
def test_every_task_is_the_one_of_the_whole_dag(
    dbt_root: Path, monkeypatch: pytest.MonkeyPatch, project: str, behavior: str
) -> None:
    whole = render(project, behavior)
    smaller = 0
    for task in whole.tasks:
        monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", whole.dag_id)
        monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_TASK_ID", task.task_id)
        scoped = render(project, behavior)
        assert essence(scoped.get_task(task.task_id)) == essence(task), task.task_id
        smaller += len(scoped.tasks) < len(whole.tasks)
    assert smaller > len(whole.tasks) / 2, "most tasks are found by their node's line"


def test_the_whole_dag_where_it_is_switched_off(dbt_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "compared")
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_TASK_ID", "rest.fct_orders.run")
    assert len(render("zoo", "after_each").tasks) < 10
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__TASK_SCOPE", "False")
    assert len(render("zoo", "after_each").tasks) > 25
