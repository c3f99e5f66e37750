"""Tokens for the UI and the CLI, and what they open."""

import http.client
from typing import Any
from urllib.parse import urlencode

from mwaactl.local.layout import NAME
from mwaactl.local.mwaa.server import CLI, LOGIN
from mwaactl.local.mwaa.tokens import LIFETIME, Tokens
from tests.mwaactl.local.mwaa.conftest import Endpoint


def post(host: str, path: str, body: str, **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.request("POST", path, body, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def test_tokens_end_after_a_minute_and_are_of_one_kind() -> None:
    now = 0.0
    tokens = Tokens(lambda: now)
    token = tokens.issue("cli")
    assert not tokens.accept("web", token, once=True)
    now = LIFETIME - 1
    assert tokens.accept("cli", token, once=False)
    assert tokens.accept("cli", token, once=False)
    now = LIFETIME
    assert not tokens.accept("cli", token, once=False)


def test_a_token_for_one_use_is_used_up() -> None:
    tokens = Tokens()
    token = tokens.issue("web")
    assert tokens.accept("web", token, once=True)
    assert not tokens.accept("web", token, once=True)
    assert not tokens.accept("web", "", once=True)


def test_the_login_token_becomes_a_session_once(endpoint: Endpoint, airflow: list[dict[str, Any]]) -> None:
    made = endpoint.mwaa.create_web_login_token(Name=NAME)
    assert made["AirflowIdentity"] == "admin"
    form = urlencode({"token": made["WebToken"]})
    kind = {"Content_Type": "application/x-www-form-urlencoded"}
    status, headers, _ = post(made["WebServerHostname"], LOGIN, form, **kind)
    assert status == 200
    assert headers["Set-Cookie"].startswith("_token=a-jwt;")
    status, headers, _ = post(made["WebServerHostname"], LOGIN, form, **kind)
    assert status == 403
    assert "Set-Cookie" not in headers


def test_without_airflow_there_is_no_session(endpoint: Endpoint) -> None:
    made = endpoint.mwaa.create_web_login_token(Name=NAME)
    form = urlencode({"token": made["WebToken"]})
    status, _, said = post(made["WebServerHostname"], LOGIN, form, Content_Type="application/x-www-form-urlencoded")
    assert status == 503
    assert b"Airflow does not answer" in said


def test_the_cli_takes_its_own_tokens_only(endpoint: Endpoint) -> None:
    web = endpoint.mwaa.create_web_login_token(Name=NAME)["WebToken"]
    made = endpoint.mwaa.create_cli_token(Name=NAME)
    host = made["WebServerHostname"]
    for wrong in ("", "Bearer ", f"Bearer {web}", f"Basic {made['CliToken']}"):
        assert post(host, CLI, "version", Content_Type="text/plain", Authorization=wrong)[0] == 403
    right = f"Bearer {made['CliToken']}"
    assert post(host, CLI, "version", Content_Type="application/json", Authorization=right)[0] == 415
    assert post(host, CLI, "version", Content_Type="text/plain", Authorization=right)[0] == 503  # no Airflow yet
