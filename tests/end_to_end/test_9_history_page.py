"""The page *dbt history* in Airflow's UI, in a real browser: runs, one run, a node, tests, cost.

With UPDATE_SCREENSHOTS=1 the picture in docs/images is taken anew.
"""

import re
from pathlib import Path

import pytest
from playwright.sync_api import FrameLocator, Locator, Page, expect

from tests.end_to_end import test_7_browser
from tests.end_to_end.conftest import Demo
from tests.end_to_end.support import states
from tests.end_to_end.test_7_browser import images, page
from tests.local_environment import LocalEnvironment

__all__ = ["images", "page"]
pytestmark = test_7_browser.pytestmark


def opened(page: Page) -> FrameLocator:
    """Open the page as a person does: Browse, dbt history."""
    page.goto("/")
    page.get_by_text("Browse", exact=True).click()
    page.get_by_text("dbt history", exact=True).click()
    frame = page.frame_locator("iframe")
    expect.set_options(timeout=30_000)  # the first page of an hour reads the bucket
    expect(frame.get_by_role("heading", name="dbt history")).to_be_visible(timeout=60_000)
    return frame


def page_with(frame: FrameLocator, run_id: str) -> Locator:
    """Turn to the page of the list of runs that has this one, and return its row."""
    row = frame.get_by_role("row").filter(has_text=run_id)
    earlier = frame.get_by_role("link", name="Earlier runs")
    expect(frame.get_by_role("row").nth(1)).to_be_visible(timeout=60_000)
    while not row.count():
        first = frame.get_by_role("row").nth(1).text_content() or ""
        earlier.click()  # fails where there is none
        expect(frame.get_by_role("row").nth(1)).not_to_have_text(first)
    return row


def test_a_run_is_a_timeline_with_its_critical_path(page: Page, green: Demo, images: Path) -> None:
    page.set_viewport_size({"width": 1400, "height": 860})
    frame = opened(page)
    run = green.transform
    row = page_with(frame, run.run_id)
    expect(row).to_contain_text("flights_transform")
    expect(row).to_contain_text("success")
    row.get_by_role("link").click()
    expect(frame.get_by_role("heading", name=run.run_id)).to_be_visible()
    labels = frame.locator(".timeline .label")
    # Those in groups, and the look at the sources, which has results of dbt, too.
    dbt_tasks = {task_id for task_id, state in states(run).items() if "." in task_id and state != "skipped"}
    dbt_tasks.add("source_freshness")
    expect(labels).to_have_count(len(dbt_tasks))
    assert {label.split(" (try")[0] for label in labels.all_inner_texts()} == dbt_tasks
    critical = frame.locator(".timeline .label.critical")
    assert 3 < critical.count() < len(dbt_tasks)
    assert "marts." in critical.last.inner_text()
    expect(frame.get_by_text("Open in Airflow")).to_have_attribute("href", re.compile(f"^/dags/{run.dag_id}/runs/"))
    page.mouse.move(700, 850)
    page.wait_for_timeout(1000)
    page.screenshot(path=images / "history.png")


def test_a_node_over_time_by_its_name_and_near_ones_of_a_wrong_name(page: Page, green: Demo) -> None:
    frame = opened(page)
    find = frame.get_by_placeholder("Find a node, also one that is gone")
    find.fill("routes")
    find.press("Enter")
    expect(frame.get_by_text("model.flights.routes:")).to_be_visible()
    expect(frame.locator("svg .dot.good").first).to_be_attached()
    expect(frame.get_by_role("row").filter(has_text="success").first).to_be_visible()
    find.fill("ruotes")
    find.press("Enter")
    expect(frame.get_by_text("history has no node 'ruotes'")).to_be_visible()
    frame.get_by_role("link", name="routes", exact=True).click()
    expect(frame.get_by_text("model.flights.routes:")).to_be_visible()
    frame.get_by_role("link", name="Cost").click()
    # The dearest come first: which ones depends on what ran before.
    expect(frame.get_by_role("row").filter(has_text=re.compile(r"^\w+\s*model")).first).to_be_visible()


@pytest.mark.long
def test_a_test_that_fails_and_a_model_that_is_gone(environment: LocalEnvironment, page: Page, green: Demo) -> None:
    """One of each, released for one run and taken back."""
    marts = environment.source / "dbt" / "flights" / "models" / "marts"
    made = {
        marts / "short_lived.sql": "select 1 as one\n",
        marts / "short_lived.yml": "models: [{name: short_lived, columns: [{name: one, data_tests: "
        "[{accepted_values: {arguments: {values: [2]}}}]}]}]\n",
    }
    for path, text in made.items():
        path.write_text(text)
    try:
        environment.up()
        run = environment.run("flights_transform", {"select": "short_lived"})
        assert states(run)["marts.short_lived.test"] == "failed", states(run)
    finally:
        for path in made:
            path.unlink()
        environment.up()
    frame = opened(page)
    frame.get_by_role("link", name="Failing tests").click()
    row = frame.get_by_role("row").filter(has_text="accepted_values_short_lived")
    expect(row).to_contain_text("Got 1 result", timeout=60_000)
    find = frame.get_by_placeholder("Find a node, also one that is gone")
    find.fill("short_lived")
    find.press("Enter")
    expect(frame.get_by_text(re.compile(r"model\.flights\.short_lived: \d+ results"))).to_be_visible()
