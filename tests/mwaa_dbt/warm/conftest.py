"""Real dbt, warm and plain, on a project with every kind of node."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import pytest
from mwaa_dbt.process import DbtProcess, DbtRequest, Limits, start

from mwaactl import manifest
from tests import projects

PROFILES = """\
zoo:
  target: dev
  outputs:
    dev: {type: duckdb, path: "{{ env_var('WAREHOUSE') }}", schema: main, threads: 1, settings: {threads: 1}}
    other: {type: duckdb, path: "{{ env_var('WAREHOUSE') }}", schema: elsewhere, threads: 1, settings: {threads: 1}}
"""
#: As operators ask: then the release's parse is used, and a server starts in half the time.
AS_RELEASED = {"--profile": "zoo", "--target": "dev"}
# Beside the zoo's own: what fails in one way each, and what warns while it is parsed.
EXTRA = {
    "models/extra/broken.sql": "select {{ exceptions.raise_compiler_error('this is broken') if execute else 1 }} as id",
    "models/extra/warned.sql": "select 2 as id",
    "models/extra/of_env.sql": "select '{{ env_var('FLAVOR', 'plain') }}' as flavor, '{{ target.schema }}' as s",
    "models/extra/extra.yml": """
        models:
          - name: nobody
            description: there is no such model, which is warned of while parsing
          - name: warned
            columns: [{name: id, data_tests: [{accepted_values: {arguments: {values: [1]}, config: {severity: warn}}}]}]
        """,
    "macros/slow.sql": """
        {% macro slow() %}{% do run_query('select count(*) from range(10000000) a, range(10000000) b') %}{% endmacro %}
        """,
}


@dataclass
class Zoo:
    """The project, its warehouse, and how to run dbt on it."""

    venv: Path
    root: Path
    env: dict[str, str]
    secrets: frozenset[str] = frozenset()
    limits: Limits = field(default_factory=lambda: Limits(idle=120))
    said: list[str] = field(default_factory=list)
    runs: int = 0

    @property
    def project(self) -> Path:
        return self.root / "zoo"

    @property
    def warehouse(self) -> Path:
        return Path(self.env["WAREHOUSE"])

    def request(self, *args: str, env: dict[str, str] | None = None, **other: object) -> DbtRequest:
        self.runs += 1
        where = ["--project-dir", str(self.project), "--profiles-dir", str(self.root)]
        for option, value in AS_RELEASED.items():
            where += [] if option in args else [option, value]
        target = self.root / f"target{self.runs}"
        request = DbtRequest(
            self.venv, [*args, *where], {**self.env, **(env or {})}, self.secrets, self.project, target
        )
        return replace(request, **other)  # type: ignore[arg-type]

    def start(self, request: DbtRequest, warm: bool = True) -> DbtProcess:
        return start(request, warm=warm, limits=self.limits)

    def run(self, *args: str, warm: bool = True, env: dict[str, str] | None = None) -> int:
        self.said = []
        return self.start(self.request(*args, env=env), warm).run(self.said.append)


def folder() -> Path:
    return Path(tempfile.gettempdir()) / f"mwaa_dbt_{os.getuid()}"


def servers() -> list[int]:
    """Return the process ids of the servers that listen."""
    found = []
    for path in folder().glob("*.sock"):
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
            except OSError:
                continue
            pid = struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
            if psutil.pid_exists(pid):
                found.append(pid)
    return found


def processes_of(zoo: Zoo) -> list[int]:
    """Return the processes that run dbt for this zoo: launchers, servers, and servers' children."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        line = " ".join(process.info["cmdline"] or [])
        if ("launcher.py" in line or "server.py" in line) and process.info["cwd"] == str(zoo.project):
            found.append(process.pid)
    return found


def _holds(condition: Callable[[], object]) -> bool:
    try:
        return bool(condition())
    except psutil.NoSuchProcess:  # it ended while it was looked at: look again
        return False


def wait_for(condition: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not _holds(condition):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "mwaa_dbt.process")


@pytest.fixture(scope="module")
def _short_tmp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A temporary directory with a path that a socket can bear, for servers of this module alone."""
    tmp_path_factory.getbasetemp()  # pytest's own doesn't go there
    before, tempfile.tempdir = tempfile.tempdir, None
    path = Path(tempfile.mkdtemp(prefix="w", dir="/tmp"))
    tempfile.tempdir = str(path)
    yield path
    for pid in servers():
        os.kill(pid, signal.SIGKILL)
    tempfile.tempdir = before
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def built_zoo(shared: Callable[..., Path], venv: Path) -> Path:
    """The folder of a zoo as a release brings it along, parse included; its warehouse holds a full run."""

    def fill(root: Path) -> None:
        zoo = make_zoo(root, venv)
        profile = zoo.project / "profiles.yml"
        profile.write_text(PROFILES.replace("{{ env_var('WAREHOUSE') }}", "/nowhere/warehouse.duckdb"))
        manifest.build("zoo", print, root=root, targets=("dev",))
        profile.unlink()
        assert zoo.run("build", "--exclude", "broken", "stg_visits", "source:*", warm=False) == 0, zoo.said

    return shared("warm-zoo", fill)


@pytest.fixture(scope="module")
def shared_zoo(built_zoo: Path, venv: Path, _short_tmp: Path, tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """A zoo that no test changes."""
    root = tmp_path_factory.mktemp("zoo") / "z"
    shutil.copytree(built_zoo, root, symlinks=True, ignore=shutil.ignore_patterns("target*"))
    return Zoo(venv, root, {**os.environ, "WAREHOUSE": str(root / "warehouse.duckdb")})


def make_zoo(root: Path, venv: Path) -> Zoo:
    projects.zoo(root)
    projects.write(root / "zoo", EXTRA)
    (root / "profiles.yml").write_text(PROFILES)
    env = {**os.environ, "WAREHOUSE": str(root / "warehouse.duckdb")}
    zoo = Zoo(venv, root, env)
    packages = root / "zoo" / "dbt_packages"
    packages.mkdir()
    (packages / "toolbox").symlink_to("../packages/toolbox")
    return zoo


@pytest.fixture
def zoo(shared_zoo: Zoo, venv: Path, tmp_path: Path) -> Iterator[Zoo]:
    """A copy of the zoo, for a test that changes it."""
    root = tmp_path / "z"
    shutil.copytree(shared_zoo.root, root, symlinks=True, ignore=shutil.ignore_patterns("target*"))
    others = servers()
    zoo = Zoo(venv, root, {**shared_zoo.env, "WAREHOUSE": str(root / "warehouse.duckdb")})
    yield zoo
    # What a failed test leaves would compute for ever, and make the next ones slow.
    for pid in {*set(servers()) - set(others), *processes_of(zoo)}:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
