"""Fixtures of the end-to-end tests."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from mwaactl.local import follow
from mwaactl.local.follow import Run
from tests.local_environment import LocalEnvironment


@dataclass(frozen=True)
class Demo:
    """What `mwaactl local run --format json` did: its exit status, what it printed, its runs."""

    status: int
    stdout: str
    stderr: str
    load: Run
    transform: Run

    @property
    def data(self) -> dict[str, Any]:
        return dict(json.loads(self.stdout))


def demo(environment: LocalEnvironment, day: str = "2013-01-01") -> Demo:
    """Do what `make run` does."""
    done = environment.cli("run", "--format", "json", "--day", day)
    try:
        runs = [follow.read(environment.api, run["dag_id"], run["run_id"]) for run in json.loads(done.stdout)["runs"]]
    except ValueError:
        pytest.fail(f"`run --format json` printed no JSON:\n{done.stdout}\n{done.stderr}")
    assert [run.dag_id for run in runs] == ["flights_load", "flights_transform"], done.stderr
    return Demo(done.returncode, done.stdout, done.stderr, *runs)


@pytest.fixture(scope="session")
def green(environment: LocalEnvironment) -> Demo:
    """Load and transform 2013-01-01 in the untouched project: the run that other tests build on."""
    return demo(environment)
