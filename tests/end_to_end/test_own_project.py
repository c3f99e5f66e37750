"""docs/own-project.md, followed word by word: its files, its commands, in its order."""

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from mwaactl.local.layout import REPOSITORY
from tests.docs import pages
from tests.local_environment import LocalEnvironment

pytestmark = pytest.mark.end_to_end


@pytest.fixture
def shop(environment: LocalEnvironment) -> Iterator[LocalEnvironment]:
    """Return the environment with the files of the page in its project; take them away afterwards."""
    written = [environment.source / name for name in pages.files(pages.OWN_PROJECT)]
    for path, content in zip(written, pages.files(pages.OWN_PROJECT).values(), strict=True):
        assert not path.exists(), f"{path} is of the demo: the page must not overwrite it"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    yield environment
    shutil.rmtree(environment.source / "dbt" / "shop")
    (environment.source / "dags" / "shop_daily.py").unlink()
    environment.up()


def follow_the_page(environment: LocalEnvironment) -> list[str]:
    """Run the page's commands where a reader runs them, and return what each one printed."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "AWS_", "MWAACTL_"))}
    clean |= {"MWAACTL_SOURCE": str(environment.source), "MWAACTL_LOCAL_DIR": str(environment.layout.root)}
    printed = []
    for command in pages.commands(pages.OWN_PROJECT):
        done = subprocess.run(
            command, cwd=REPOSITORY, env=clean, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
        printed.append(done.stdout + done.stderr)
    return printed


def test_a_project_of_ones_own_runs_beside_the_demo(shop: LocalEnvironment) -> None:
    before = {dag["dag_id"] for dag in shop.api.all("/dags", "dags", exclude_stale=True)}
    manifest, up, run, query = follow_the_page(shop)

    assert "shop: manifest built" in manifest
    assert f"{len(before) + 1} DAGs" in up
    assert "shop_daily: success" in run
    nodes = ("raw_orders_seed_build", "stg_orders_model_build", "orders_by_day.run", "orders_by_day.test")
    tasks = (*nodes, "select_nodes", "outcome")
    green = [line for line in run.splitlines() if " success " in line and "shop_daily" not in line]
    assert len(green) == len(tasks)
    assert f'"shop_daily": {len(tasks)}' in pages.OWN_PROJECT.read_text()
    for task in tasks:
        assert any(task in line for line in green), run
    expected = next(block.content for block in pages.blocks(pages.OWN_PROJECT) if block.language == "text")
    assert [line.split() for line in query.splitlines() if line.strip()] == [
        line.split() for line in expected.splitlines()
    ]
    dags = {dag["dag_id"] for dag in shop.api.all("/dags", "dags", exclude_stale=True)}
    assert dags == {*before, "shop_daily"}
    runs = shop.api.get("/dags/shop_daily/dagRuns")["dag_runs"]
    # In the first hours after five Airflow makes up for the schedule's last run (docs/own-project.md).
    assert [one["run_type"] for one in runs if one["run_type"] != "scheduled"] == ["manual"]
