"""The task's side of the warm dbt, without a server: what it does where something is odd."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from mwaa_dbt import process, warm
from mwaa_dbt.process import DbtRequest, Limits, start
from mwaa_dbt.warm import address, client
from mwaa_dbt.warm.identity import UnservedError, locate

WHERE = ["ls", "--project-dir", "zoo", "--profiles-dir", "."]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a project, and a temporary directory whose path a socket bears."""
    (tmp_path / "profiles.yml").touch()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    (tmp_path / "zoo").symlink_to("one")
    with tempfile.TemporaryDirectory(prefix="w", dir="/tmp") as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        yield tmp_path


def _connect(folder: Path, limits: Limits, **env: str) -> client.Connection:
    return client.connect(folder, WHERE, env, set(), folder, limits, lambda: False)


def test_a_project_behind_a_link_that_leads_elsewhere_is_another(folder: Path) -> None:
    first = locate(folder, WHERE, {}, set(), folder)
    (folder / "zoo").unlink()
    (folder / "zoo").symlink_to("two")
    second = locate(folder, WHERE, {}, set(), folder)
    assert first.base != second.base
    assert second.config["project_dir"] == str(folder / "two")


def test_a_folder_that_is_none_costs_no_task(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    script = folder / "script.py"
    script.write_text("print('ran')")
    monkeypatch.setattr(process, "LAUNCHER", script)
    (Path(tempfile.gettempdir()) / f"mwaa_dbt_{os.getuid()}").touch()
    venv = Path(sys.prefix)
    lines: list[str] = []
    request = DbtRequest(venv, WHERE, {}, frozenset(), folder, folder / "target")
    assert start(request, warm=True).run(lines.append) == 0
    assert lines == ["ran"]
    assert "it can't be reached" in caplog.text


def test_a_damaged_file_of_names_is_none(folder: Path) -> None:
    address.names_file(folder, "base").touch()
    assert address.read_names(folder, "base") is None


def test_dbt_s_mark_of_a_secret_is_enough(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def located(*args: object) -> None:
        raise UnservedError(f"secrets: {args[3]}")

    monkeypatch.setattr(client, "locate", located)
    with pytest.raises(UnservedError, match=r"secrets: \{'DBT_ENV_SECRET_KEY'\}"):
        _connect(folder, Limits(), DBT_ENV_SECRET_KEY="hidden", FLAVOR="sweet")


def test_patience_begins_with_the_first_busy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that parsed for longer than `busy`, is full for a moment, and then takes the request."""
    began = time.monotonic()

    def greeting() -> dict[str, object]:
        waited = time.monotonic() - began
        if waited < 0.6:
            raise FileNotFoundError
        return {"busy": "full"} if waited < 0.8 else {"hello": 1}

    monkeypatch.setattr(client, "_start", lambda *_: False)
    monkeypatch.setattr(
        client, "_try", lambda *_: SimpleNamespace(greeting=greeting(), socket=SimpleNamespace(close=lambda: None))
    )
    assert _connect(folder, Limits(busy=0.5)).greeting == {"hello": 1}
    monkeypatch.setattr(
        client, "_try", lambda *_: SimpleNamespace(greeting={"busy": "full"}, socket=SimpleNamespace(close=str))
    )
    with pytest.raises(UnservedError, match="full"):
        _connect(folder, Limits(busy=0.5))


def test_a_server_that_dies_without_a_word_is_started_once(folder: Path) -> None:
    """By all the tasks that wait for it."""
    python = folder / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f"#!/bin/sh\necho started >> {folder}/starts\ncat > /dev/null\n(sleep 1; kill -9 $$) & wait\n")
    python.chmod(0o755)
    said: list[str] = []

    def task() -> None:
        with pytest.raises(UnservedError) as caught:
            _connect(folder, Limits())
        said.append(str(caught.value))

    tasks = [threading.Thread(target=task) for _ in range(4)]
    for one in tasks:
        one.start()
    for one in tasks:
        one.join()
    assert said == ["its server did not start: it ended without a word"] * 4
    assert (folder / "starts").read_text().split() == ["started"]


def test_a_large_project_needs_more_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client.memory, "available", lambda: 600 << 20)
    manifest = folder / "zoo" / "build" / "manifest.json"
    manifest.parent.mkdir()
    for size, why in ((10 << 20, "can't be started"), (51 << 20, "too few for a warm server")):
        with manifest.open("wb") as file:
            file.truncate(size)
        with pytest.raises(UnservedError, match=why):
            _connect(folder, Limits())


INTERRUPTED = """
import signal, sys, time
sys.path.insert(0, sys.argv[1])
import launcher
launcher.GRACE = 1.5
out = open(sys.argv[2], "a", buffering=1)
signal.signal(signal.SIGINT, lambda *_: out.write("interrupted\\n"))
launcher.die_with(0)
out.write("up\\n")
while True:
    time.sleep(0.01)
"""


@pytest.mark.parametrize("told", [True, False])
def test_dbt_is_interrupted_once(tmp_path: Path, told: bool) -> None:
    """By kill(), which says so, or because its task is gone; then it has time to cancel its queries."""
    out = tmp_path / "out"
    command = [sys.executable, "-c", INTERRUPTED, str(Path(warm.__file__).parent), str(out)]
    dbt = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    assert dbt.stdin
    while not out.exists() or "up" not in out.read_text():
        time.sleep(0.05)
    if told:
        dbt.stdin.write(b"k")
        dbt.stdin.flush()
        time.sleep(0.3)
        dbt.send_signal(signal.SIGINT)
    dbt.stdin.close()
    assert dbt.wait(30) == -signal.SIGKILL
    assert out.read_text().split() == ["up", "interrupted"]


def test_kill_says_so_before_it_interrupts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal, sys\n"
        "os.set_blocking(0, False)\n"
        "def interrupted(*_):\n    os.write(1, b'told\\n' if os.read(0, 9) else b'gone\\n')\n    os._exit(7)\n"
        "signal.signal(2, interrupted)\nprint('up', flush=True)\nsignal.pause()\n"
    )
    monkeypatch.setattr(process, "LAUNCHER", script)
    running = start(DbtRequest(Path(sys.prefix), WHERE, {}, frozenset(), tmp_path, tmp_path / "t"), warm=False)
    lines: list[str] = []

    def on_line(line: str) -> None:
        lines.append(line)
        if line == "up":
            running.kill()

    assert running.run(on_line) == 7
    assert lines == ["up", "told"]
