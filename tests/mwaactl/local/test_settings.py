"""Ports, configuration options, secrets: what a boot decides before anything runs."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow.models.connection import Connection

from mwaactl.errors import Problem
from mwaactl.local import options, ports, secrets
from mwaactl.local.layout import REPOSITORY, Layout

PORTS = {"ui": 1, "aws": 2, "slack": 3, "mail": 4, "mwaa": 5}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(root=tmp_path, source=REPOSITORY, venvs=tmp_path / "venvs")


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_ports_are_free_different_and_remembered(layout: Layout) -> None:
    first = ports.choose(layout)
    assert len(set(first.values())) == len(ports.VARIABLES)
    assert all(ports.is_free(port) for port in first.values())
    assert ports.choose(layout)["aws"] == first["aws"]


def test_a_remembered_port_that_is_taken_now_is_not_used(layout: Layout, taken: int) -> None:
    layout.ports_file.write_text(json.dumps({"aws": taken}))
    assert ports.choose(layout)["aws"] != taken


def test_a_wanted_port_that_is_taken_is_an_error(layout: Layout, taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MWAACTL_UI_PORT", str(taken))
    with pytest.raises(Problem, match=f"Port {taken} .MWAACTL_UI_PORT. is taken"):
        ports.choose(layout)


@pytest.mark.parametrize("value", ["abc", "0", "70000"])
def test_a_wanted_port_must_be_one(layout: Layout, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MWAACTL_AWS_PORT", value)
    with pytest.raises(Problem, match="is not a port"):
        ports.choose(layout)


def test_the_options_are_what_mwaa_takes() -> None:
    chosen = options.read(REPOSITORY)
    kwargs = json.loads(chosen["secrets.backend_kwargs"])
    assert kwargs["connections_prefix"] == "airflow/connections"
    assert kwargs["variables_prefix"] is None
    assert sum(len(name) + len(value) for name, value in chosen.items()) < 64 * 1024
    assert options.variables(chosen)["AIRFLOW__COSMOS__ENABLE_TELEMETRY"] == "False"


@pytest.mark.parametrize("text", ["a: b: c", "core.x: 3", "nodot: x", ""])
def test_bad_options_name_the_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "infra").mkdir()
    (tmp_path / options.OPTIONS_FILE).write_text(text)
    with pytest.raises(Problem, match=r"configuration-options\.yaml"):
        options.read(tmp_path)


def test_keys_are_made_once_and_only_for_the_owner(layout: Layout) -> None:
    assert options.keys(layout) == options.keys(layout)
    assert layout.keys_file.stat().st_mode & 0o077 == 0


def test_both_forms_of_connection_mean_the_same_to_airflow(layout: Layout) -> None:
    found = secrets.connections(layout, PORTS)
    stage, dev = found["flights_stage"], found["flights_dev"]
    assert stage.startswith("duckdb://")
    assert Connection(uri=stage).host == str(layout.warehouse / "flights_stage.duckdb")
    assert Connection.from_json(dev).host == str(layout.warehouse / "flights_dev.duckdb")


def own_file(folder: Path, content: str, mode: int = 0o600) -> Path:
    path = folder / "connections.json"
    path.write_text(content)
    path.chmod(mode)
    return path


def test_the_developers_own_connections_take_the_place_of_ours(layout: Layout, tmp_path: Path) -> None:
    (tmp_path / ".local").mkdir()
    (tmp_path / "dbt" / "shop").mkdir(parents=True)
    (tmp_path / "dbt" / "shop" / "dbt_project.yml").touch()
    content = {"shop_dev": {"conn_type": "snowflake", "login": "u"}, "other": "duckdb://x"}
    own_file(tmp_path / ".local", json.dumps(content))
    found = secrets.connections(Layout(layout.root, tmp_path, layout.venvs), PORTS)
    assert json.loads(found["shop_dev"]) == content["shop_dev"]
    assert found["other"] == "duckdb://x"
    assert "duckdb" in found["shop_prod"]


def test_own_connections_that_others_can_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="others can read it"):
        secrets.own(own_file(tmp_path, "{}", 0o640))


@pytest.mark.parametrize("content", ["{", "[]", '{"shop_dev": 1, "password": "hush"}'])
def test_own_connections_that_are_none_are_refused_without_their_values(tmp_path: Path, content: str) -> None:
    with pytest.raises(Problem) as caught:
        secrets.own(own_file(tmp_path, content))
    assert str(tmp_path) in caught.value.message
    assert "hush" not in caught.value.message
