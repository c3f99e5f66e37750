"""The task's side of the warm dbt: find the server of a request, start it if there is none, talk to it.

Everything below one folder that is private to the user (mode 0700, in the temporary directory). Standard library only.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mwaa_dbt.render_manifest import BUILD_FOLDER
from mwaa_dbt.warm import address, leftovers, memory
from mwaa_dbt.warm.identity import Address, UnservedError, locate

PLACEHOLDER = "secret-of-a-task"
MARK_OF_SECRETS = "DBT_ENV_SECRET"  # dbt's own mark of a secret; it lets only profiles and packages read one
# Of the server alone: libraries that the adapters import start threads unless told not to.
NO_THREADS = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
MAX_SERVERS = 8
SERVER_MEMORY = 300 << 20  # of a server at least; see _memory_of_server


@dataclass(frozen=True)
class Limits:
    """What bounds the servers of this machine."""

    idle: float = 900.0  # seconds without a request after which a server ends
    start: float = 300.0  # seconds to wait for a server to parse
    busy: float = 5.0  # seconds to wait for memory before running plain
    memory_reserve: int = 128 << 20  # bytes to leave free when a child is forked
    max_children: int = sys.maxsize


class Connection:
    """A connection to a child that waits for its request."""

    def __init__(self, path: Path, timeout: float) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.socket.settimeout(timeout)
            self.socket.connect(str(path))
            _, uid, _ = struct.unpack("3i", self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            if uid != os.getuid():
                raise UnservedError(f"{path} is somebody else's")
            self._buffer = b""
            self.first = False  # whether the server was started for this connection
            self.greeting = self.message() or {}
        except BaseException:
            self.socket.close()
            raise

    def message(self) -> dict[str, Any] | None:
        """Return the server's next message, or None when it hung up."""
        while b"\n" not in self._buffer:
            try:
                more = self.socket.recv(4096)
            except (ConnectionError, TimeoutError):
                more = b""
            if not more:
                return None
            self._buffer += more
        line, _, self._buffer = self._buffer.partition(b"\n")
        return dict(json.loads(line))

    def send(self, request: Mapping[str, Any], output: int) -> None:
        """Send a request, with the descriptor that its lines go to. Raises UnservedError unless dbt begins with it."""
        body = json.dumps(request).encode()
        try:
            socket.send_fds(self.socket, [struct.pack("!Q", len(body))], [output])
            self.socket.sendall(body)
        except OSError as e:
            raise UnservedError(f"its child hung up: {e}") from e
        answer = self.message() or {"refused": "its child died before it began"}
        if "refused" in answer:
            raise UnservedError(answer["refused"])
        self.socket.settimeout(None)


def connect(
    venv: Path,
    args: Sequence[str],
    env: Mapping[str, str],
    secrets: Collection[str],
    cwd: Path,
    limits: Limits,
    cancelled: Callable[[], bool],
) -> Connection:
    """Return a connection to a child of the request's server; start the server if there is none.

    Raises UnservedError if it doesn't come up, is busy, or the request isn't one for it.
    """
    secrets = {*secrets, *(name for name in env if name.startswith(MARK_OF_SECRETS))}
    where = locate(venv, args, env, secrets, cwd)
    deadline = time.monotonic() + limits.start
    patience = 0.0  # begins with the first "busy": a server that parses isn't
    starts, started = 0, 0.0
    while not cancelled():
        try:
            connection = _try(where, env, secrets)
        except OSError:
            connection = None
        if connection and "hello" in connection.greeting:
            connection.first = starts > 0
            return connection
        if connection:
            connection.socket.close()
        busy = connection.greeting.get("busy") if connection else None
        if busy:
            patience = patience or time.monotonic() + limits.busy
            if time.monotonic() > patience:
                raise UnservedError(busy)
        if not busy:
            _raise_failure(where, started)
            if starts < 3 and _start(where, venv, env, secrets, limits):
                starts, started = starts + 1, started or time.time()
                continue
            if starts >= 3 or time.monotonic() > deadline:
                raise UnservedError("its server did not come up")
        time.sleep(0.1 if busy else 0.02)
    raise UnservedError("the task was cancelled")


def _try(where: Address, env: Mapping[str, str], secrets: Collection[str]) -> Connection | None:
    names = address.read_names(where.folder, where.base)
    if names is None:
        return None
    return Connection(address.socket_path(where.folder, where.base, names, env, secrets), timeout=30)


def _raise_failure(where: Address, started: float) -> None:
    """Raise Unserved if the server failed to start lately: not each task should try again what can't work."""
    failed = where.folder / f"{where.base}.failed"
    try:
        when, why = failed.stat().st_mtime, failed.read_text()
    except FileNotFoundError:
        return
    if when >= started and time.time() - when < 60:
        raise UnservedError(f"its server did not start: {why}")


def _memory_of_server(project: Path) -> int:
    """Return the bytes that parsing takes at its peak: measured were 750 MB where manifest.json has 51 MB."""
    try:
        size = (project / BUILD_FOLDER / "manifest.json").stat().st_size
    except OSError:
        size = 0
    return max(SERVER_MEMORY, (150 << 20) + 12 * size)


def _leave_failure(where: Address, why: str) -> None:
    draft = where.folder / f"{where.base}.tmp"
    draft.write_text(why)
    draft.rename(where.folder / f"{where.base}.failed")


def _make_room(where: Address, limits: Limits) -> None:
    """Raise UnservedError where one more server is too much; the one unused for longest then makes room for the next.

    Windows are variables, so each day of a backfill has a server of its own: without this, eight days that are over
    would keep the ninth from one.
    """
    if len(list(where.folder.glob("*.sock"))) >= MAX_SERVERS:
        leftovers.remove(where.folder)
        if len(list(where.folder.glob("*.sock"))) >= MAX_SERVERS and not leftovers.give_up_one(where.folder):
            raise UnservedError(f"{MAX_SERVERS} warm servers are in use")
    if memory.available() < _memory_of_server(Path(where.config["project_dir"])) + limits.memory_reserve:
        leftovers.give_up_one(where.folder)  # ends within seconds: too late for this task
        raise UnservedError(f"{memory.available() >> 20} MB of memory are too few for a warm server")


def _start(where: Address, venv: Path, env: Mapping[str, str], secrets: Collection[str], limits: Limits) -> bool:
    """Start a server unless somebody is doing so; say whether this call did."""
    lock = os.open(where.folder / f"{where.base}.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        try:  # it may have come up since
            if connection := _try(where, env, secrets):
                connection.socket.close()
                return False
        except OSError:
            pass
        if os.fstat(lock).st_size:  # killed while it parsed, else it would have emptied it
            os.ftruncate(lock, 0)
            _leave_failure(where, "it ended without a word")
            return False
        _make_room(where, limits)
        (where.folder / f"{where.base}.failed").unlink(missing_ok=True)
        clean = {name: PLACEHOLDER if name in secrets else value for name, value in env.items()}
        config = {
            **where.config,
            "lock": lock,
            "idle": limits.idle,
            "memory_reserve": limits.memory_reserve,
            "max_children": limits.max_children,
        }
        server = subprocess.Popen(
            [str(venv / "bin" / "python"), str(Path(__file__).with_name("server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**clean, **NO_THREADS},
            cwd=where.config["project_dir"],
            start_new_session=True,
            pass_fds=(lock,),  # the server holds the lock until it listens, also if this task dies
        )
        os.write(lock, b"parsing")  # until the server listens, or says why it can't
        server.communicate(json.dumps(config).encode())
        return True
    except OSError as e:
        raise UnservedError(f"its server can't be started: {e}") from e
    finally:
        os.close(lock)
