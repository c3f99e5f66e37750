"""What a person does in Airflow's own UI, in a real browser: fill the trigger form, watch the graph turn green.

With UPDATE_SCREENSHOTS=1 the pictures in docs/images are taken anew.
"""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from mwaactl.local import follow
from mwaactl.local.layout import REPOSITORY
from tests.end_to_end.conftest import Demo
from tests.end_to_end.support import TRANSFORM, ran, succeeded, until
from tests.local_environment import LocalEnvironment

GROUPS = ("seeds", "staging", "snapshots", "intermediate", "marts")
CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.skipif(
        CHROMIUM is None and not os.environ.get("CI"), reason="chromium is not installed: apt-get install chromium"
    ),
]


@pytest.fixture
def page(environment: LocalEnvironment, green: Demo) -> Iterator[Page]:
    """Return a page of the system's own Chromium."""
    assert CHROMIUM, "chromium is not installed: apt-get install chromium"
    with sync_playwright() as playwright:
        # Without its sandbox, because CI is root in a container, and the only site it sees is ours.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page(
            base_url=environment.api.url,
            viewport={"width": 1400, "height": 900},
            color_scheme="light",
            device_scale_factor=2,
        )
        browser.close()


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Return where screenshots go: the documentation's pictures change only when asked to."""
    return REPOSITORY / "docs" / "images" if os.environ.get("UPDATE_SCREENSHOTS") == "1" else tmp_path


def node(page: Page, task_or_group: str) -> Locator:
    """Return a node of the graph."""
    return page.locator(f'.react-flow__node[data-id="{task_or_group}"]')


def open_graph(page: Page, run_id: str) -> None:
    """Show the graph of a run on the whole page, every layer open."""
    page.goto(f"/dags/{TRANSFORM}/runs/{quote(run_id, safe='')}")
    page.get_by_label("Show Graph").click()
    page.get_by_label("Collapse Details Panel").click()
    for group in GROUPS:
        node(page, group).get_by_role("button").first.click()
        expect(node(page, group).get_by_role("button").first).to_have_text(re.compile("^- "))
        page.wait_for_timeout(800)  # the others move apart
    for _ in range(2):  # what lies outside of the view isn't drawn, and the layers move apart
        page.wait_for_timeout(1500)
        page.get_by_label("Fit View").click()
    expect(node(page, "marts.routes")).to_be_visible()


def test_the_form_starts_a_run_and_its_graph_turns_green(
    environment: LocalEnvironment, page: Page, images: Path
) -> None:
    before = {run["dag_run_id"] for run in environment.api.all(f"/dags/{TRANSFORM}/dagRuns", "dag_runs")}

    def new() -> list[str]:
        runs = environment.api.all(f"/dags/{TRANSFORM}/dagRuns", "dag_runs")
        return [run["dag_run_id"] for run in runs if run["dag_run_id"] not in before]

    page.goto(f"/dags/{TRANSFORM}")
    page.get_by_role("button", name="Trigger").click()
    form = page.get_by_role("dialog")
    for title in ("Select", "Exclude", "Full refresh", "Target", "Vars"):
        expect(form.get_by_text(re.compile(rf"^{title}\b")).first).to_be_visible()

    page.set_viewport_size({"width": 1400, "height": 1500})
    form.locator("[name=element_select]").fill("routes airlines")
    page.wait_for_timeout(1000)  # it unfolds
    form.screenshot(path=images / "trigger_form.png")
    page.set_viewport_size({"width": 1400, "height": 900})
    form.get_by_role("button", name="Trigger").click()
    run_id = until(new)[0]

    open_graph(page, run_id)
    expect(node(page, "marts.routes")).to_contain_text("success", timeout=60_000)
    expect(node(page, "marts.airlines")).to_contain_text("success", timeout=60_000)
    expect(node(page, "staging")).to_contain_text("skipped")
    run = follow.follow(environment.api, TRANSFORM, run_id, limit=60)
    assert succeeded(run)
    assert {"marts.routes.run", "marts.routes.test", "marts.airlines.run"} <= ran(run)
    assert not {"marts.fct_flights.run", "marts.carrier_days.run", "seeds.raw_airlines_seed_build"} & ran(run)


def test_a_mistake_in_the_form_is_explained_by_the_log_of_the_first_task(
    environment: LocalEnvironment, page: Page
) -> None:
    page.goto(f"/dags/{TRANSFORM}")
    page.get_by_role("button", name="Trigger").click()
    form = page.get_by_role("dialog")
    form.locator("[name=element_select]").fill("routes; drop table")
    with page.expect_response(re.compile("/dagRuns$")) as answer:
        form.get_by_role("button", name="Trigger").click()
    run_id = answer.value.json()["dag_run_id"]
    assert follow.follow(environment.api, TRANSFORM, run_id, limit=60).state == "failed"
    page.goto(f"/dags/{TRANSFORM}/runs/{quote(run_id, safe='')}/tasks/select_nodes")
    expect(page.get_by_text("which isn't dbt's selection syntax").first).to_be_visible()


def test_the_graph_of_a_whole_run_is_green(page: Page, green: Demo, images: Path) -> None:
    page.set_viewport_size({"width": 1400, "height": 640})
    open_graph(page, green.transform.run_id)
    for group in GROUPS:
        expect(node(page, group)).to_contain_text("success")
    page.wait_for_timeout(1500)
    nodes = page.locator(".react-flow__node").filter(has_text=re.compile("Task Group|Operator"))
    assert nodes.count() > 25, nodes.all_inner_texts()
    expect(nodes.filter(has_text="success")).to_have_count(nodes.count())
    page.add_style_tag(content=".react-flow__minimap, .react-flow__panel { visibility: hidden }")
    page.mouse.move(735, 620)
    page.wait_for_timeout(500)
    page.screenshot(path=images / "flights_transform.png")
