"""Ports of the loopback interface, for servers that tests start."""

from __future__ import annotations

import socket
import time


def free_ports(number: int) -> list[int]:
    """Return `number` ports that nobody listens on, each another one."""
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    found = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return found


def free_port() -> int:
    """Return a port that nobody listens on."""
    return free_ports(1)[0]


def wait_for(port: int, seconds: float = 60) -> None:
    """Return as soon as `port` takes a connection; raise TimeoutError if it takes none for `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"Nothing listens on port {port} after {seconds:.0f} s.")
