"""Fixtures for all tests: the local environment, booted once, for tests marked `end_to_end`."""

from collections.abc import Iterator

import pytest

from tests import airflow_process
from tests.local_environment import LocalEnvironment

# Before any test module imports Airflow, wherever it lies.
airflow_process.prepare()


# First: pytest-xdist reads the groups in the same hook.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the end-to-end tests together: they share one environment, so one process of pytest-xdist runs them all."""
    for item in items:
        if item.get_closest_marker("end_to_end"):
            item.add_marker(pytest.mark.xdist_group("environment"))
            if not item.get_closest_marker("timeout"):
                item.add_marker(pytest.mark.timeout(900))  # the first one boots the environment


@pytest.fixture(scope="session")
def environment() -> Iterator[LocalEnvironment]:
    """Return the running local environment of this test run, in a directory of its own, with a project of its own."""
    running = LocalEnvironment.boot()
    yield running
    running.down()
