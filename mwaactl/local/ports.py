"""Which ports an environment listens on: the ones asked for, else last time's, else free ones."""

import os
import socket

from mwaactl.errors import Problem
from mwaactl.local.layout import Layout
from mwaactl.local.state import read_json, write_json

UI_DEFAULT = 8080
VARIABLES = {
    "ui": "MWAACTL_UI_PORT",
    "aws": "MWAACTL_AWS_PORT",
    "slack": "MWAACTL_SLACK_PORT",
    "mail": "MWAACTL_MAIL_PORT",
    "mwaa": "MWAACTL_MWAA_PORT",
}


def is_free(port: int) -> bool:
    """Say whether this process could listen on `port` of the loopback interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _any_free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _asked(name: str) -> int | None:
    value = os.environ.get(VARIABLES[name])
    if not value:
        return None
    if not value.isdigit() or not 0 < int(value) < 65536:
        raise Problem(f"{VARIABLES[name]}={value} is not a port.", "Give a number from 1 to 65535, or unset it.")
    return int(value)


def choose(layout: Layout) -> dict[str, int]:
    """Return a port for each service and remember them in ports.json.

    Raises Problem when a port that the user asked for (an environment variable of VARIABLES) is taken.
    """
    last = read_json(layout.ports_file)
    ports: dict[str, int] = {}
    for name, variable in VARIABLES.items():
        asked = _asked(name)
        if asked and not is_free(asked):
            raise Problem(
                f"Port {asked} ({variable}) is taken by another program.",
                f"Set {variable} to a free port, or leave it unset to have one chosen.",
            )
        wanted = [asked, UI_DEFAULT if name == "ui" else None, last.get(name)]
        free = (port for port in wanted if port and port not in ports.values() and is_free(port))
        ports[name] = next(free, 0) or _any_free()
    write_json(layout.ports_file, ports)
    return ports
