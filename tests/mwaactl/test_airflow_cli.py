"""mwaactl airflow, against MWAA's CLI endpoint as the local environment has it, with the real Airflow behind it."""

import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mwaactl import airflow_cli, environments
from mwaactl.cli import main
from mwaactl.environments import Environment
from mwaactl.errors import Problem
from tests.mwaactl.local.mwaa.conftest import Endpoint, endpoint

__all__ = ["endpoint"]  # the fixture


@pytest.fixture
def environment(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """Return the environment of the endpoint, also to the command line."""
    endpoint.layout.airflow_home.mkdir()
    endpoint.webserver.update(os.environ, PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    urls = {"": f"http://127.0.0.1:{endpoint.ports['aws']}", "mwaa": endpoint.url}
    found = Environment("local", "local", "mwaa-local", "eu-central-1", "123456789012", "dev", endpoints=urls)
    monkeypatch.setattr(environments, "read", lambda *_: found)
    return found


def test_the_words_and_the_status_of_airflow_come_through(environment: Environment) -> None:
    done = CliRunner().invoke(main, ["airflow", "-e", "local", "version"])
    assert (done.exit_code, done.stdout) == (0, "3.3.1\n")
    done = CliRunner().invoke(main, ["airflow", "-e", "local", "--", "dags", "list", "--no-such-option"])
    assert done.exit_code == 1
    assert "--no-such-option" in done.stderr


def test_an_argument_stays_one(environment: Environment) -> None:
    answer = airflow_cli.run(environment, ["dags", "trigger", "a b; $(id)", "--no-such-option"])
    assert not answer.succeeded
    assert airflow_cli.run(environment, ["config", "list"]).stderr.startswith("MWAA does not support `airflow config`")


def test_who_cant_be_asked_gets_words(environment: Environment, endpoint: Endpoint) -> None:
    endpoint.webserver.clear()
    with pytest.raises(Problem, match="refused the command: 503 Airflow is not running"):
        airflow_cli.run(environment, ["version"])
