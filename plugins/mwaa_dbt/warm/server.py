"""The warm server: parses a dbt project once and forks a child per request. Runs inside dbt's virtualenv, as a script.

    python server.py < configuration.json      (see client.py, which is the only one to start it)

The parent holds dbt, the adapter's modules and the parsed project; no thread, no connection, no secret: it parses with
placeholders, and a request is read by the child alone. Each child is what a fresh `dbt` process would be: its own
environment, working directory, session, signals and standard output.

On a connection the server speaks first, one JSON object a line: {"busy": why}, {"stale": why}, or {"hello": pid,
"read": how it read the project}. Then
the client sends the length of its request, the request, and the descriptor that takes dbt's lines. The child answers
{"refused": why}, or {"begun": true} and at the end {"exit": status}.
"""

from __future__ import annotations

import atexit
import gc
import itertools
import json
import os
import signal
import socket
import socketserver
import struct
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import deployed
import hooks
import launcher
import lean
import leftovers
import memory
import snapshot

sys.path.pop(0)  # this directory: its module names are nobody else's business

POLL = 2.0  # seconds between looking for ended children and for the end of the idle time


class Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    """Accepts requests of this user as long as the project is the one that was parsed and memory lasts."""

    request_queue_size = 128
    timeout = POLL
    max_children = 10_000  # socketserver would wait for one to end; verify_request says "busy" before

    def __init__(self, config: dict[str, Any], project: snapshot.Parsed, path: Path) -> None:
        self.config, self.project = config, project
        self.ended = False
        self.last_request = time.monotonic()
        self.recent: list[float] = []  # starts of children that don't use all their memory yet
        self.child_memory = max(64 << 20, int(0.45 * memory.resident()))
        path.unlink(missing_ok=True)  # a killed server's
        super().__init__(str(path), Child)
        self.inode = path.stat().st_ino
        path.chmod(0o600)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Say whether a child may serve this connection; tell the client why not."""
        _, uid, _ = struct.unpack("3i", request.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if uid != os.getuid():
            return False
        self.collect_children()
        if changed := self.project.changed():
            self.end()
            return _refuse(request, "stale", f"{changed} changed")
        if full := self._full():
            return _refuse(request, "busy", full)
        self.recent.append(time.monotonic())
        self.last_request = time.monotonic()
        return True

    def _full(self) -> str:
        running = len(self.active_children or ())
        if running and running >= self.config.get("max_children", sys.maxsize):
            return f"{running} commands run already"
        now = time.monotonic()
        self.recent = [t for t in self.recent if now - t < 3]
        available = memory.available() - self.child_memory * min(len(self.recent), running)
        if running and available < self.child_memory + self.config["memory_reserve"]:
            return f"{running} commands run already and {max(0, available) >> 20} MB of memory are left"
        return ""

    def end(self) -> None:
        """Take no more requests. Children that run go on: they need nothing of this process."""
        if not self.ended and self._is_here():
            Path(str(self.server_address)).unlink()
        self.server_close()
        self.ended = True

    def _is_here(self) -> bool:
        """Whether the socket still is where clients look for it: it was given up if not (leftovers.give_up_one)."""
        try:
            return Path(str(self.server_address)).stat().st_ino == self.inode
        except FileNotFoundError:
            return False

    def serve(self) -> None:
        """Serve until nobody has asked for the configured idle time, the project has changed, or it is given up."""
        while not self.ended:
            self.handle_request()
            self.collect_children()
            unused = time.monotonic() - self.last_request > self.config["idle"]
            if (unused and not self.active_children) or not self._is_here():
                self.end()

    def server_close(self) -> None:
        """Close the socket; unlike the original, don't wait for the children."""
        self.socket.close()


def _refuse(request: socket.socket, kind: str, why: str) -> bool:
    _send(request, **{kind: why})
    return False


def _send(request: socket.socket, **message: Any) -> None:
    request.sendall(json.dumps(message).encode() + b"\n")


class Child(socketserver.BaseRequestHandler):
    """One request, in the forked child."""

    server: Server

    def handle(self) -> None:
        """Read the request, become the process it asks for, run dbt."""
        server, control = self.server, self.request
        server.socket.close()
        os.setsid()
        _send(control, hello=os.getpid(), read=server.project.read)
        size, fds, _, _ = socket.recv_fds(control, 8, 1)
        with control.makefile("rb") as stream:
            request = json.loads(stream.read(struct.unpack("!Q", size)[0]))
        if why := server.project.unsuited(request["env"]):
            _send(control, refused=why)
            return
        with suppress(FileNotFoundError):
            os.utime(str(server.server_address))  # for leftovers.give_up_one; its probe of the socket is no use of it
        _become(request, fds[0])
        lean.start_child(server.project)
        launcher.die_with(control.fileno())
        _send(control, begun=True)
        status = launcher.run(request["args"], server.project.manifest)
        atexit._run_exitfuncs()  # as the interpreter would; socketserver leaves by os._exit
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        _send(control, exit=status)
        os._exit(0)  # at once: the client hangs up now, which die_with would take for its death


def _become(request: dict[str, Any], output: int) -> None:
    """Turn this fork into what a process started for the request would be."""
    gc.enable()
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    time.tzset()
    tempfile.tempdir = None
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading._counter = itertools.count(1).__next__  # type: ignore[attr-defined]  # run_results.json shows thread names
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    sys.stdout = open(1, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115


def main() -> None:
    """Detach, parse, listen. What goes wrong is left in <base>.failed for the tasks that wait."""
    config = json.load(sys.stdin)
    if os.fork():
        os._exit(0)  # so that the server is nobody's child: it outlives the task that started it
    folder, base = Path(config["folder"]), config["base"]
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    failed = folder / f"{base}.failed"
    try:
        lean.apply()
        deployed.apply()
        hooks.apply()
        project = snapshot.parse(config)
        lean.prepare(project.manifest)
        gc.collect()
        gc.freeze()
        if len(threads := list(Path("/proc/self/task").iterdir())) != 1:
            raise RuntimeError(
                f"dbt or its adapter started {len(threads) - 1} threads while parsing; forking isn't safe"
            )
        path = project.publish()
        server = Server(config, project, path)
        failed.unlink(missing_ok=True)
    except BaseException as e:
        draft = failed.with_suffix(".tmp")
        draft.write_text(f"{type(e).__name__}: {e}"[:2000])
        draft.rename(failed)
        os.ftruncate(config["lock"], 0)
        os._exit(1)
    leftovers.remove(folder)
    os.ftruncate(config["lock"], 0)
    os.close(config["lock"])  # from here on the socket says that there is a server
    server.serve()
    os._exit(0)


if __name__ == "__main__":
    main()
