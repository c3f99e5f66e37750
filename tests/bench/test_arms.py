"""The arms' DAGs are the same but for what a task does: the comparison depends on it."""

import os
import sys
from pathlib import Path

import pytest

from bench import arms, parses, projects
from tests import airflow_process

SIZE = 10


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[str], list[list[str]]]]:
    """Task ids and edges of each arm's DAG, from the DAG files as the benchmark writes them."""
    root = tmp_path_factory.mktemp("bench")
    folder = projects.generate(root / "dbt", SIZE, lambda _: None)
    dags = root / "dags"
    dags.mkdir()
    wanted = [arm for arm in arms.ARMS if arm != "build"]
    for arm in wanted:
        text = arms.dag_file(arm, SIZE, folder, root, root / "dbt_venv", ["dbt-core==1.11.16"])
        (dags / f"{arms.dag_id(arm, SIZE)}.py").write_text(text)
    plugins = str(Path(__file__).parents[2] / "plugins")
    env = {"PATH": os.environ["PATH"], "HOME": str(root), "PYTHONPATH": plugins}
    env |= airflow_process.environment(root / "airflow", dags, root / "dbt")
    jobs = [{"arm": a, "file": str(dags / f"{a}_{SIZE}.py"), "dag_id": f"{a}_{SIZE}", "edges": True} for a in wanted]
    found = parses.probe(Path(sys.executable), env, jobs)
    return {one["arm"]: (one["task_ids"], one["edges"]) for one in found}


@pytest.mark.parametrize("arm", ["ours", "virtualenv", "local"])
def test_an_arm_has_the_tasks_and_edges_of_the_floor(shapes: dict, arm: str) -> None:
    assert shapes[arm] == shapes["noop"]


def test_the_floor_has_a_task_per_node_and_one_for_its_tests(shapes: dict) -> None:
    assert len(shapes["noop"][0]) == 2 * (SIZE + projects.seeds(SIZE))


def test_watcher_has_them_too_and_its_own(shapes: dict) -> None:
    assert set(shapes["noop"][0]) < set(shapes["watcher"][0])
    assert len(shapes["watcher"][0]) <= len(shapes["noop"][0]) + 2


def test_what_a_sample_names_is_in_the_dag(shapes: dict) -> None:
    for model in projects.sample(SIZE, 2, 2):
        assert {f"dbt.{model}.run", f"dbt.{model}.test"} <= set(shapes["noop"][0])
