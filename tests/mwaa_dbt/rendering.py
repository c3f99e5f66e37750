"""Renders DAGs of dbt projects, ours and stock Cosmos', and takes a picture of them to compare."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from airflow.sdk import DAG
from cosmos import DbtTaskGroup, ExecutionConfig, ProfileConfig, ProjectConfig, RenderConfig
from cosmos.constants import ExecutionMode, InvocationMode, LoadMode, SourceRenderingBehavior, TestBehavior
from cosmos.profiles import DuckDBUserPasswordProfileMapping
from mwaa_dbt import DbtProject, render_manifest


class Task(NamedTuple):
    """What a person would call the same task."""

    operator: str
    group: str | None
    upstream: frozenset[str]
    command: tuple[str, ...]


#: What stands around a project's groups. Stock Cosmos has none of it: the hooks run in each of its commands.
FRAME = ("select_nodes", "on_run_start", "on_run_end", "outcome")


def picture(dag: DAG, without: Iterable[str] = FRAME) -> dict[str, Task]:
    """Return the tasks of `dag` by id; those named in `without` are left out, with their edges."""
    left_out = set(without)
    return {
        task.task_id: Task(
            type(task).__name__,
            task.task_group.group_id if task.task_group else None,
            frozenset(task.upstream_task_ids - left_out),
            command(task),
        )
        for task in dag.tasks
        if task.task_id not in left_out
    }


def command(task: Any) -> tuple[str, ...]:
    """Return the arguments that `task` gives to dbt; names in a selection sorted: their order is nothing to it.

    (Stock Cosmos takes it from dbt's manifest, or from a set; ours is sorted by unique id.)
    """
    if not hasattr(task, "build_cmd"):
        return ()
    return tuple(" ".join(sorted(arg.split())) for arg in task.build_cmd({}, cmd_flags=task.add_cmd_flags())[0][1:])


def ours(
    name: str,
    behavior: str = "after_each",
    groups: Sequence[dict[str, Any]] = ({"group_id": "all"},),
    form: bool = False,
    chain: bool = False,
) -> DAG:
    """Return a DAG of this library with the given `groups`, chained or not, with the trigger form or not."""
    project = DbtProject(name, behavior)
    with DAG("compared", schedule=None, params=project.run_params() if form else None) as dag:
        made = [project.task_group(**group) for group in groups]
        if chain:
            for before, after in itertools.pairwise(made):
                before >> after
    return dag


def stock(root: Path, name: str, behavior: str, select: Sequence[str] = (), exclude: Sequence[str] = ()) -> DAG:
    """Return a DAG of stock Cosmos, rendered from dbt's full manifest."""
    with DAG("compared", schedule=None) as dag:
        DbtTaskGroup(
            group_id="all",
            project_config=ProjectConfig(
                dbt_project_path=root / name,
                manifest_path=root / name / "build" / "manifest.json",
                project_name=name,
                install_dbt_deps=False,
            ),
            profile_config=ProfileConfig(
                profile_name=name, target_name="dev", profile_mapping=DuckDBUserPasswordProfileMapping(f"{name}_dev")
            ),
            execution_config=ExecutionConfig(
                execution_mode=ExecutionMode.VIRTUALENV,
                invocation_mode=InvocationMode.SUBPROCESS,
                dbt_executable_path="dbt",
            ),
            render_config=RenderConfig(
                load_method=LoadMode.DBT_MANIFEST,
                test_behavior=TestBehavior(behavior),
                should_detach_multiple_parents_tests=True,
                source_rendering_behavior=SourceRenderingBehavior.NONE,
                emit_datasets=False,
                select=list(select),
                exclude=list(exclude),
            ),
            operator_args={"py_requirements": ["dbt-duckdb"], "install_deps": False},
        )
    return dag


def change_manifest(project_dir: Path, change: Any) -> None:
    """Let `change` edit dbt's full manifest of the project, and cut the render manifest from it anew."""
    file = project_dir / "build" / "manifest.json"
    full = json.loads(file.read_text())
    change(full)
    file.write_text(json.dumps(full))
    render_manifest.path_of(project_dir).write_text(render_manifest.dumps(render_manifest.cut(full)))


def set_behaviors(behaviors: dict[str, str | None], everything: bool = False) -> Any:
    """Return a change of a manifest: nodes by name get a test behavior, or lose theirs (None; `everything`: all)."""

    def change(full: dict[str, Any]) -> None:
        for node in full["nodes"].values():
            meta = node["config"].get("meta") or {}
            if everything:
                meta.pop("test_behavior", None)
            if node["name"] in behaviors and node["resource_type"] in ("model", "seed", "snapshot"):
                meta["test_behavior"] = behaviors[node["name"]]
                node["config"]["meta"] = meta

    return change
