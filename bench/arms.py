"""One DAG file per arm and size: the same groups, tasks and edges, so that only the way of running dbt differs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: The pool of every task of every arm; its slots are set before each run.
POOL = "bench"


@dataclass(frozen=True)
class Arm:
    """One way of running a dbt project, and in one line how it is configured."""

    key: str
    title: str
    how: str


ARMS = {
    arm.key: arm
    for arm in (
        Arm("noop", "no-op tasks", "a PythonOperator that does nothing, in the same groups and edges: the floor"),
        Arm("ours", "this project", "DbtProject(...).task_group(): task-scoped, lean, warm"),
        Arm("virtualenv", "Cosmos VIRTUALENV", "stock, persistent virtualenv_dir, pinned py_requirements"),
        Arm("local", "Cosmos LOCAL", "stock, dbt_executable_path of the prebuilt virtualenv, subprocess"),
        Arm("watcher", "Cosmos WATCHER", "stock, one `dbt build --threads 4` and a sensor per node"),
        Arm("build", "one dbt build", "a BashOperator with `dbt build --threads 4`: no task per model"),
    )
}
#: Arms with one task per node and test, whose runs can be cut to a sample of tasks.
PER_NODE = ("noop", "ours", "virtualenv", "local")

_HEAD = '''\
"""Written by bench/arms.py."""
from airflow.sdk import DAG
'''
_DAG = 'with DAG({dag_id!r}, schedule=None, catchup=False, max_active_tasks=64, default_args={{"retries": 0}}):\n'

_NOOP = """\
import json
from pathlib import Path
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import TaskGroup

COMMAND = {{"model": "run", "seed": "seed", "snapshot": "snapshot"}}

def nothing():
    pass

{dag}
    with TaskGroup("dbt"):
        first, last = {{}}, {{}}
        for node in json.loads(Path({shape!r}).read_text()):
            name, command = node["name"], COMMAND[node["kind"]]
            if node["tested"]:
                with TaskGroup(name):
                    first[name] = PythonOperator(task_id=command, python_callable=nothing, pool={pool!r})
                    last[name] = PythonOperator(task_id="test", python_callable=nothing, pool={pool!r})
                    first[name] >> last[name]
            else:
                first[name] = last[name] = PythonOperator(
                    task_id=f"{{name}}_{{command}}", python_callable=nothing, pool={pool!r}
                )
            for parent in node["parents"]:
                last[parent] >> first[name]
"""

_OURS = """\
from mwaa_dbt import DbtProject

project = DbtProject({project!r})
{dag}
    project.task_group("dbt", pool={pool!r})
"""

_STOCK = """\
from cosmos import DbtTaskGroup, ExecutionConfig, ProfileConfig, ProjectConfig, RenderConfig
from cosmos.constants import ExecutionMode, InvocationMode, LoadMode, TestBehavior
from cosmos.profiles import DuckDBUserPasswordProfileMapping

{dag}
    DbtTaskGroup(
        group_id="dbt",
        project_config=ProjectConfig(
            dbt_project_path={folder!r},
            manifest_path={manifest!r},
            project_name={project!r},
            install_dbt_deps=False,
        ),
        profile_config=ProfileConfig(
            profile_name={project!r},
            target_name="dev",
            profile_mapping=DuckDBUserPasswordProfileMapping(conn_id={conn_id!r}, profile_args={{"threads": 4}}),
        ),
        execution_config=ExecutionConfig({execution}),
        render_config=RenderConfig(
            load_method=LoadMode.DBT_MANIFEST, test_behavior=TestBehavior.AFTER_EACH, emit_datasets=False
        ),
        operator_args={{"pool": {pool!r}, "install_deps": False{arguments}}},
    )
"""

_BUILD = """\
from airflow.providers.standard.operators.bash import BashOperator

{dag}
    BashOperator(
        task_id="build",
        pool={pool!r},
        bash_command=(
            "work=$(mktemp -d) && trap 'rm -rf $work' EXIT && cp -r {profiles}/. $work && cd {folder} && "
            "{venv}/bin/dbt build --threads 4 --profiles-dir $work --target-path $work/target --log-path $work"
        ),
    )
"""


def dag_id(arm: str, size: int) -> str:
    """Return the id of an arm's DAG, which is also the name of its file."""
    return f"{arm}_{size}"


def dag_file(arm: str, size: int, folder: Path, root: Path, dbt_venv: Path, pins: list[str]) -> str:
    """Return the text of an arm's DAG file.

    Args:
        arm: a key of ARMS.
        size: the number of models.
        folder: the dbt project.
        root: where the stock VIRTUALENV arm keeps its virtualenv, and the profile of `build` lies.
        dbt_venv: the virtualenv that startup.sh built.
        pins: requirements of the stock VIRTUALENV arm.
    """
    venv = f"virtualenv_dir={str(root / 'cosmos_venv')!r}"
    execution, arguments = {
        "virtualenv": (f"execution_mode=ExecutionMode.VIRTUALENV, {venv}", f', "py_requirements": {pins!r}'),
        "local": (
            "execution_mode=ExecutionMode.LOCAL, invocation_mode=InvocationMode.SUBPROCESS, "
            f"dbt_executable_path={str(dbt_venv / 'bin' / 'dbt')!r}",
            "",
        ),
        "watcher": (
            "execution_mode=ExecutionMode.WATCHER, invocation_mode=InvocationMode.SUBPROCESS, "
            f"dbt_executable_path={str(dbt_venv / 'bin' / 'dbt')!r}",
            "",
        ),
    }.get(arm, ("", ""))
    template = {"noop": _NOOP, "ours": _OURS, "build": _BUILD}.get(arm, _STOCK)
    return _HEAD + template.format(
        dag=_DAG.format(dag_id=dag_id(arm, size)).rstrip(),
        pool=POOL,
        project=folder.name,
        folder=str(folder),
        conn_id=f"{folder.name}_dev",
        shape=str(folder / "build" / "shape.json"),
        manifest=str(folder / "build" / "manifest.json"),
        profiles=root / "profiles",
        venv=dbt_venv,
        execution=execution,
        arguments=arguments,
    )
