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


def essence(task: Any) -> dict[str, Any]:
    """Return what a worker needs of a task."""
    names = ("node_ids", "retries", "pool", "owner", "full_refresh", "vars", "project_dir", "install_deps")
    return {
        "operator": type(task).__name__,
        "command": rendering.command(task),
        "node": (getattr(task, "extra_context", None) or {}).get("dbt_node_config", {}).get("unique_id"),
        **{name: getattr(task, name, None) for name in names},
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
    assert len(render("zoo", "after_each").tasks) < 8
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__TASK_SCOPE", "False")
    assert len(render("zoo", "after_each").tasks) > 25
