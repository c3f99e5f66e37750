"""No secret lies about: not in logs, files or Airflow's database, nor in what other processes show of themselves."""

import json
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from mwaactl.local import follow, sink
from tests.end_to_end.conftest import Demo
from tests.end_to_end.support import (
    JUST_QUICK,
    QUICK_TASK,
    TRANSFORM,
    connection,
    dbt_commands,
    instance,
    run_quick,
    running,
    states,
    succeeded,
    until,
    words,
)
from tests.local_environment import LocalEnvironment

pytestmark = pytest.mark.end_to_end


def places(environment: LocalEnvironment) -> Iterator[tuple[str, bytes]]:
    """Return whatever this environment has written or shows, each with its name."""
    root = environment.layout.root
    venv = environment.layout.dbt_venv
    files = [path for path in root.rglob("*") if venv not in path.parents]
    files += [path for folder in Path("/tmp").glob("mwaa*") for path in [folder, *folder.rglob("*")]]
    for path in files:
        try:
            if path.is_file():
                yield str(path), path.read_bytes()
        except OSError:  # it was there a moment ago
            continue
    for task in environment.api.all("/dags/~/dagRuns/~/taskInstances", "task_instances"):
        yield f"rendered fields of {task['dag_run_id']} {task['task_id']}", json.dumps(task).encode()
    yield "connections in Airflow", json.dumps(environment.api.get("/connections")).encode()


def processes() -> Iterator[tuple[str, bytes]]:
    """Return what each process shows: its command line and the environment it was started with."""
    plain = {process.pid for process in dbt_commands_that_are_plain()}
    for process in psutil.process_iter():
        for name in ("cmdline", "environ"):
            if name == "environ" and process.pid in plain:
                continue  # dbt takes its secrets from there, and shows it to nobody but this user
            try:
                yield f"{name} of {process}", Path(f"/proc/{process.pid}/{name}").read_bytes()
            except OSError:
                continue


def dbt_commands_that_are_plain() -> list[psutil.Process]:
    """Return processes of dbt commands that weren't forked from a warm one."""
    return [process for process in psutil.process_iter(["cmdline"]) if any(
        "launcher.py" in part for part in process.info["cmdline"] or ()
    )]  # fmt: skip


def assert_nowhere(values: list[str], where: Iterator[tuple[str, bytes]]) -> None:
    count = 0
    for name, content in where:
        count += 1
        for value in values:
            assert value.encode() not in content, f"{value[:12]}... is in {name}"
    assert count > 10


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Return a port that takes connections and never says a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        yield server.getsockname()[1]


def key(passphrase: str) -> str:
    """Return a new private key in PEM form, encrypted as Snowflake's are."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encryption = BestAvailableEncryption(passphrase.encode())
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


def test_of_a_run_that_succeeds(environment: LocalEnvironment, green: Demo) -> None:
    password, token = f"duck-{secrets.token_hex(12)}", f"moth-{secrets.token_hex(12)}"
    host = str(environment.layout.warehouse / "flights_dev.duckdb")
    value = {"conn_type": "duckdb", "host": host, "login": "x", "password": password, "extra": {"token": token}}
    with connection(environment, "flights_dev", value):
        assert succeeded(run_quick(environment))
    assert_nowhere([password, token, sink.TOKEN, sink.WEBHOOK_PATH], places(environment))


def test_of_a_secret_that_is_no_connection(environment: LocalEnvironment, green: Demo) -> None:
    password = f"half-{secrets.token_hex(12)}"
    with connection(environment, "flights_dev", f'{{"conn_type": "duckdb", "password": "{password}", "host": '):
        run = run_quick(environment)
    assert states(run)[QUICK_TASK] == "failed"
    assert_nowhere([password, sink.TOKEN], places(environment))


def test_while_dbt_uses_it(environment: LocalEnvironment, green: Demo, silent_port: int) -> None:
    """A Snowflake connection with an encrypted key; Snowflake takes the connection, and its time."""
    passphrase = f"pass-{secrets.token_hex(12)}"
    pem = key(passphrase)
    value = {
        "conn_type": "snowflake",
        "login": "dbt",
        "password": passphrase,
        "schema": "public",
        "extra": {
            "account": "example",
            "host": "127.0.0.1",
            "port": silent_port,
            "database": "flights",
            "warehouse": "small",
            "private_key_content": pem,
        },
    }
    hidden = [passphrase, *pem.splitlines()[1:-1]]
    with connection(environment, "flights_prod", value):
        run_id = environment.start(TRANSFORM, {**JUST_QUICK, "target": "prod"})
        run = until(lambda: running(environment, run_id, QUICK_TASK), limit=60)
        commands = until(lambda: dbt_commands(environment), limit=60)
        until(lambda: talks_to(commands, silent_port), limit=60)
        assert_nowhere(hidden, processes())
        assert_nowhere(hidden, places(environment))
        environment.api.patch(instance(run, QUICK_TASK), {"new_state": "failed"})
        until(lambda: not any(command.is_running() for command in commands), limit=30)
        ended = follow.follow(environment.api, TRANSFORM, run_id, limit=60)
    assert states(ended)[QUICK_TASK] == "failed"
    assert "dbt" in words(environment, ended, QUICK_TASK)
    assert_nowhere(hidden, places(environment))


def talks_to(commands: list[psutil.Process], port: int) -> bool:
    """Whether one of the processes has a connection to a port: then it has read its secrets."""
    for command in commands:
        try:
            if any(c.raddr and c.raddr.port == port for c in command.net_connections("tcp")):
                return True
        except psutil.Error:
            continue
    return False
