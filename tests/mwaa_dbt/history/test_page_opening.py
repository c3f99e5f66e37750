"""The page while the first copy of the bucket is made: what the server says of it, and what a browser shows."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mwaa_dbt.history import page as page_package
from mwaa_dbt.history import record
from mwaa_dbt.history.index import Index
from mwaa_dbt.history.page import keeper as keeper_module
from mwaa_dbt.history.page.keeper import Keeper
from mwaa_dbt.history.place import Place
from playwright.sync_api import Page, Route, expect, sync_playwright

from tests.mwaa_dbt.history.made import tried

CHROMIUM = shutil.which("chromium")
STATIC = Path(page_package.__file__).with_name("static")
PLACE = Place.beside("bucket")
MOMENT = 1767225599.0  # 2025-12-31 23:59:59 UTC


class Reading:
    """Stands for `sync`: looks into the bucket until it may go on, then adds one result."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def __call__(self, s3: Any, place: Place, index: Index, told: Callable[[str], None]) -> int:
        assert self.go_on.wait(30)
        return index.add(record.dumps(tried(place, "model.p.a", 0)[1]))


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reading]:
    made = Reading()
    monkeypatch.setattr(keeper_module, "sync", made)
    monkeypatch.setattr(keeper_module, "_PATIENCE", 0.0)
    monkeypatch.setattr("mwaa_dbt.history.s3.client", lambda: None)
    yield made
    made.go_on.set()


def said(keeper: Keeper) -> tuple[int, str]:
    status = keeper.status()
    return status["results"], status["reading"]


def ended(keeper: Keeper) -> tuple[int, str]:
    """Return what is said when the keeper's thread has ended."""
    with keeper._busy:
        return said(keeper)


def test_it_reads_until_the_first_copy_is_made(reading: Reading, tmp_path: Path) -> None:
    keeper = Keeper(PLACE, tmp_path / "index.db")
    keeper.refresh()
    assert said(keeper) == (0, "the bucket")
    reading.go_on.set()
    assert ended(keeper) == (1, "")


def test_a_process_that_finds_another_one_reading_says_so_and_looks_again(reading: Reading, tmp_path: Path) -> None:
    first, second = (Keeper(PLACE, tmp_path / "index.db") for _ in range(2))
    with first._lock_file.open("w") as file:
        keeper_module.fcntl.flock(file, keeper_module.fcntl.LOCK_EX)
        second.refresh()
        assert ended(second) == (0, "the bucket")
    reading.go_on.set()
    second.refresh()
    assert ended(second) == (1, "")


class Bucket:
    """What the page's server answers in the browser's tests."""

    def __init__(self) -> None:
        self.results, self.reading, self.trouble = 0, "the bucket", ""

    def answer(self, route: Route) -> None:
        path = route.request.url.partition("/dbt-history/")[2].partition("?")[0]
        if path == "api/status":
            oldest = MOMENT if self.results else None
            status = {"place": "s3://bucket/history/", "results": self.results, "oldest": oldest}
            route.fulfill(json={**status, "reading": self.reading, "trouble": self.trouble})
        elif path == "api/runs":
            one = {"dag_id": "d", "run_id": "r1", "started": MOMENT, "ended": MOMENT + 119.6, "worker_seconds": 59.6}
            route.fulfill(json=[{**one, "failed": 0, "results": 1}] * bool(self.results))
        else:
            route.fulfill(path=STATIC / (path or "index.html"))


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
def browser_page(bucket: Bucket) -> Iterator[Page]:
    if not CHROMIUM:
        assert not os.environ.get("CI"), "chromium is not installed: apt-get install chromium"
        pytest.skip("chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(timezone_id="Asia/Tokyo")
        expect.set_options(timeout=30_000)
        page.clock.install()
        page.route("**/*", bucket.answer)
        page.goto("http://airflow.test/dbt-history/")
        yield page
        browser.close()


def test_the_first_opening_shows_by_itself_what_was_read(bucket: Bucket, browser_page: Page) -> None:
    expect(browser_page.get_by_role("heading", name="Reading the history for the first time")).to_be_visible()
    expect(browser_page.get_by_role("status")).to_have_text("Reading s3://bucket/history/ for the first time ...")
    bucket.results, bucket.reading = 1, ""
    browser_page.clock.fast_forward(2000)
    row = browser_page.get_by_role("row").nth(1)
    expect(row).to_contain_text("2025-12-31 23:59:59")  # in UTC, wherever the browser is
    expect(row).to_contain_text("2 min 0 s")
    expect(row).to_contain_text("1 min 0 s")
    expect(browser_page.get_by_role("columnheader", name="Started (UTC)")).to_be_visible()
    expect(browser_page.get_by_role("status")).to_have_text(
        "1 results in s3://bucket/history/, back to 2025-12-31; times in UTC."
    )


def test_what_is_empty_is_said_when_that_is_known(bucket: Bucket, browser_page: Page) -> None:
    expect(browser_page.get_by_role("heading", name="Reading the history for the first time")).to_be_visible()
    bucket.trouble = "AccessDenied"
    browser_page.clock.fast_forward(2000)
    expect(browser_page.get_by_role("status")).to_contain_text("can't be read (AccessDenied)")
    expect(browser_page.get_by_role("heading", name="No results yet")).to_have_count(0)
    bucket.reading = bucket.trouble = ""
    browser_page.clock.fast_forward(2000)
    expect(browser_page.get_by_role("heading", name="No results yet")).to_be_visible()
