"""The CLI endpoint: which commands run, and how."""

import base64
import json
import os
import sys
from pathlib import Path

import pytest

from mwaactl.local.layout import NAME
from mwaactl.local.mwaa import cli
from mwaactl.local.mwaa.server import CLI
from tests.mwaactl.local.mwaa.conftest import Endpoint
from tests.mwaactl.local.mwaa.test_tokens import post


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("version", ["version"]),
        ("dags list -o json", ["dags", "list", "-o", "json"]),
        ("dags trigger x --conf '{\"a\": 1}'", ["dags", "trigger", "x", "--conf", '{"a": 1}']),
        ("providers hooks", ["providers", "hooks"]),
        ("dags unpause $(id) ; rm -rf /", ["dags", "unpause", "$(id)", ";", "rm", "-rf", "/"]),
    ],
)
def test_a_line_becomes_arguments(line: str, found: list[str]) -> None:
    assert cli.arguments(line) == found


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "does not support"),
        ("users list", "does not support `airflow users`"),
        ("connections export x", "Supported of connections: add, delete"),
        ("db migrate", "Supported of db: clean"),
        ("dags", "does not support `airflow dags `"),
        ("--help", "does not support"),
        ("dags list 'open", "can't be read"),
    ],
)
def test_what_mwaa_does_not_support_is_refused(line: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        cli.arguments(line)


def ask(endpoint: Endpoint, line: str) -> tuple[int, str, str]:
    made = endpoint.mwaa.create_cli_token(Name=NAME)
    bearer = f"Bearer {made['CliToken']}"
    status, _, body = post(made["WebServerHostname"], CLI, line, Content_Type="text/plain", Authorization=bearer)
    answer = {name: base64.b64decode(text).decode() for name, text in json.loads(body).items()}
    assert set(answer) == {"stdout", "stderr"}
    return status, answer["stdout"], answer["stderr"]


@pytest.fixture
def with_airflow(endpoint: Endpoint) -> Endpoint:
    """Return the endpoint of an environment whose `airflow` is the developer's own."""
    endpoint.layout.airflow_home.mkdir()
    endpoint.webserver.update(os.environ, PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    return endpoint


def test_airflow_itself_answers(with_airflow: Endpoint) -> None:
    assert ask(with_airflow, "version") == (200, "3.3.1\n", "")


def test_a_failing_command_is_a_client_error_with_its_words(with_airflow: Endpoint) -> None:
    status, _, stderr = ask(with_airflow, "dags list --no-such-option")
    assert status == 400
    assert "--no-such-option" in stderr


def test_a_refused_command_runs_nothing(with_airflow: Endpoint) -> None:
    with_airflow.webserver["PATH"] = "/nowhere"
    status, stdout, stderr = ask(with_airflow, "config list")
    assert (status, stdout) == (400, "")
    assert "MWAA does not support `airflow config`" in stderr
