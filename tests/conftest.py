"""Fixtures for all tests: the local environment, booted once, for tests marked `end_to_end`."""

import sys
from collections.abc import Iterator

import pytest

from tests import airflow_process
from tests.local_environment import LocalEnvironment

# Before any test module imports Airflow, wherever it lies.
airflow_process.prepare()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give the end-to-end tests the time that the first of them needs to boot the environment."""
    if item.get_closest_marker("end_to_end") and not item.get_closest_marker("timeout"):
        item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(autouse=True)
def no_session_of_boto3s(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the default session of the test before: it holds that test's credentials."""
    if boto3 := sys.modules.get("boto3"):
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@pytest.fixture(scope="session")
def environment() -> Iterator[LocalEnvironment]:
    """Return the running local environment of this test run, in a directory of its own, with a project of its own."""
    running = LocalEnvironment.boot()
    yield running
    running.down()
