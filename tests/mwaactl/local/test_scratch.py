"""An environment's temporary directory: its own, short enough for sockets, gone with the environment."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from mwaa_dbt.history import spool
from mwaa_dbt.history.place import Place
from mwaa_dbt.warm import address, identity

from mwaactl.errors import Problem
from mwaactl.local import components, control, environment, scratch, startup
from mwaactl.local.layout import Layout
from mwaactl.local.state import write_json

SOCKET_BYTES = 107


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    made = Layout.of(tmp_path / ("deep" * 20) / "environment", tmp_path)
    yield made
    scratch.remove(made.scratch)


@pytest.fixture
def left(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the library writes as a process of the environment, left behind by one that was killed."""
    scratch.make(layout.scratch)
    monkeypatch.setattr("tempfile.tempdir", str(layout.scratch))
    folder = spool.folder(Place.beside("bucket"), "http://127.0.0.1:5000")
    for name in ("a.sql-sent", "release.json", "index.db"):
        (folder / name).write_text("")
    assert folder.is_relative_to(layout.scratch)
    return folder


def test_its_paths_are_short_enough_for_sockets(layout: Layout, left: Path) -> None:
    socket = address.socket_path(identity.private_folder(), address.digest("x"), [], {}, ())
    assert socket.is_relative_to(layout.scratch)
    assert len(str(socket)) + len("4294967295") - len(str(os.getuid())) <= SOCKET_BYTES


def test_it_is_another_one_for_each_environment(layout: Layout) -> None:
    assert layout.scratch != Layout.of(layout.root / "second", layout.source).scratch
    assert layout.scratch == Layout.of(layout.root, layout.root / "other-project").scratch


def test_airflow_gets_it(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "execute", lambda before, *_: before)
    release = environment.Release(**{**dict.fromkeys(environment.Release.__dataclass_fields__, b""), "options": {}})
    ports = dict.fromkeys(("ui", "aws", "mwaa", "slack", "mail"), 1)
    made = environment.component_environments(release, layout, Path("/venv"), ports, print)
    assert {made[name]["TMPDIR"] for name in components.COMPONENTS} == {str(layout.scratch)}
    assert layout.scratch.stat().st_mode & 0o777 == 0o700


def test_down_removes_it(layout: Layout, left: Path) -> None:
    control.down(layout)
    assert not layout.scratch.exists()


def test_up_after_a_crash_removes_it(layout: Layout, left: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bucket died with the supervisor: what was sent to it must be sent again."""
    write_json(layout.state_file, {"phase": "ready", "pid": None})

    def launched(layout: Layout) -> None:
        assert not left.exists()
        raise Problem("launched", "")

    monkeypatch.setattr(control, "_launch", launched)
    monkeypatch.setattr(control.ports, "choose", lambda layout: {})
    with pytest.raises(Problem, match="launched"):
        control.up(layout)


def test_somebody_elses_is_refused_and_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o755)
    (theirs / "file").touch()
    link = tmp_path / "link"
    link.symlink_to(theirs)
    for folder in (theirs, link):
        with pytest.raises(Problem, match="of this user alone"):
            scratch.make(folder)
    scratch.remove(link)
    assert (theirs / "file").exists()
