"""What killed servers left goes; what somebody uses stays."""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from mwaa_dbt.warm import leftovers


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with one configuration, `aaaaaaaaaaaa0000`, whose server was killed while it parsed again."""
    path = tmp_path_factory.mktemp("w")
    before = Path.cwd()
    os.chdir(path)  # a socket's path must be short
    for name in ("aaaaaaaaaaaa0000.lock", "aaaaaaaaaaaa0000.names", "aaaaaaaaaaaa0000.failed"):
        (path / name).touch()
    (path / "aaaaaaaaaaaa0000.parse").mkdir()
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind("aaaaaaaaaaaabbbb.sock")
    yield Path()
    os.chdir(before)


def names(folder: Path) -> set[str]:
    return {path.suffix for path in folder.iterdir()}


def test_sockets_and_unfinished_parses_go_at_once(folder: Path) -> None:
    leftovers.remove(folder)
    assert names(folder) == {".lock", ".names", ".failed"}


def test_a_configuration_of_yesterday_is_forgotten(folder: Path) -> None:
    os.utime("aaaaaaaaaaaa0000.names", (1, 1))
    leftovers.remove(folder)
    assert names(folder) == {".lock", ".failed"}


def test_a_server_that_listens_keeps_all(folder: Path) -> None:
    os.utime("aaaaaaaaaaaa0000.names", (1, 1))
    (folder / "aaaaaaaaaaaabbbb.sock").unlink()
    with socket.socket(socket.AF_UNIX) as alive:
        alive.bind("aaaaaaaaaaaabbbb.sock")
        alive.listen()
        leftovers.remove(folder)
        assert names(folder) == {".lock", ".names", ".failed", ".sock"}


def test_a_server_that_starts_keeps_all(folder: Path) -> None:
    before = names(folder)
    with (folder / "aaaaaaaaaaaa0000.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        leftovers.remove(folder)
    assert names(folder) == before


def test_the_directory_of_a_task_killed_long_ago_goes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("mwaa-dbt-killed", "mwaa-dbt-running", "somebody-else-s"):
        (tmp_path / name / "target").mkdir(parents=True)
    for name in ("mwaa-dbt-killed", "somebody-else-s"):
        os.utime(tmp_path / name, (1, 1))
    leftovers.remove(folder)
    assert {path.name for path in tmp_path.iterdir()} == {"mwaa-dbt-running", "somebody-else-s"}
