"""The processes of Airflow: their environments, start and certain end."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from mwaactl.local import aws
from mwaactl.local.layout import Layout

# component -> (its command in $AIRFLOW_HOME, the MWAA container whose start-up script it lives after)
COMPONENTS = {
    "api-server": (("python", "config/airflow_api_server.py"), "webserver"),
    # On MWAA the scheduler container runs no tasks. With the LocalExecutor the scheduler's children are the workers, so
    # that it is the worker's exports (DBT_VENV_PATH and whatever else tasks need) that must be in its environment.
    "scheduler": (("airflow", "scheduler", "--skip-serve-logs"), "worker"),
    "dag-processor": (("airflow", "dag-processor"), "scheduler"),
    "triggerer": (("airflow", "triggerer", "--skip-serve-logs"), "scheduler"),
}
CONTAINERS = ("webserver", "scheduler", "worker")
# Marks every process of an environment, however deep; `down` finds by it what lost its parent.
OWNER = "MWAACTL_LOCAL_OWNER"
# What reaches MWAA's containers through the network reaches ours through the developer's settings.
PASSED_ON = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "LANG",
    "TZ",
)
PASSED_ON_PREFIXES = ("PIP_", "UV_")


def container_environment(layout: Layout, container: str, venv: Path, ports: dict[str, int]) -> dict[str, str]:
    """Return the environment that MWAA's container `container` has before its start-up script runs."""
    passed = {
        name: value
        for name, value in os.environ.items()
        if name.upper() in PASSED_ON or (name.startswith(PASSED_ON_PREFIXES) and name != "PIP_USER")
    }
    caches = {}
    # HOME is the container's, so the developer's package caches and pip settings are named: builds need no download.
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    for variable, folder in (("UV_CACHE_DIR", "uv"), ("PIP_CACHE_DIR", "pip")):
        caches[variable] = os.environ.get(variable) or str(home / folder)
    for config in (Path.home() / ".config/pip/pip.conf", Path.home() / ".pip/pip.conf"):
        if config.is_file():
            caches.setdefault("PIP_CONFIG_FILE", str(config))
    return {
        "LANG": "C.UTF-8",
        **passed,
        **caches,
        **aws.credentials(ports["aws"], ports["mwaa"]),
        "PATH": f"{venv / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "VIRTUAL_ENV": str(venv),
        "HOME": str(layout.airflow_home),
        "AIRFLOW_HOME": str(layout.airflow_home),
        "AIRFLOW_ENV_NAME": "local",
        "AIRFLOW_VERSION": layout.airflow_version,
        "MWAA_AIRFLOW_COMPONENT": container,
        "MWAA_COMMAND": container,
        "PYTHONUNBUFFERED": "1",
        "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
        OWNER: str(layout.root),
    }


def _die_with_parent() -> None:
    """In the child: be ended by the kernel when the supervisor is gone, whatever ended it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


@dataclass
class Component:
    """One running component."""

    name: str
    process: subprocess.Popen[bytes]
    since: float = field(default_factory=time.time)


def start(layout: Layout, name: str, environment: dict[str, str]) -> Component:
    """Start a component in a session of its own, with its output appended to its log. Call it from the main thread."""
    command, _ = COMPONENTS[name]
    with (layout.logs / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            executable=str(Path(environment["PATH"].split(":")[0]) / command[0]),
            env=environment,
            cwd=layout.airflow_home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # Safe here: the supervisor's threads hold no lock that the child's few instructions need.
            preexec_fn=_die_with_parent,
        )
    return Component(name, process)


def _belongs(process: psutil.Process, root: Path) -> bool:
    """Say whether a process is of the environment at `root`: by its environment, its directory or its open files."""
    prefix = f"{root}/"
    with contextlib.suppress(psutil.Error):
        if process.environ().get(OWNER) == str(root):
            return True
    # What has a terminal is a person's: a shell that stands in there, a log that is looked at. Ours have none.
    if _has_terminal(process.pid):
        return False
    # Airflow's workers write their title over their environment, so what they hold open says whose they are.
    with contextlib.suppress(psutil.Error):
        if f"{process.cwd()}/".startswith(prefix):
            return True
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{process.pid}/fd"):  # noqa: PTH208 - pathlib would stat each one
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{process.pid}/fd/{name}").startswith(f"{prefix}logs/"):  # noqa: PTH115
                    return True
    return False


def listens(pid: int, port: int) -> bool:
    """Say whether the process `pid`, or one below it, listens on `port` of the loopback interface."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            if any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in one.net_connections("tcp")):
                return True
    return False


def _has_terminal(pid: int) -> bool:
    # Field 7 of proc(5)'s stat, read here because psutil knows only the terminals of its first question.
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return fields[4] != "0"


def _session(process: psutil.Process) -> int:
    try:
        return os.getsid(process.pid)
    except OSError:
        return 0


def in_sessions(sessions: Iterable[int]) -> list[psutil.Process]:
    """Return the processes of the sessions with these ids."""
    made = set(sessions)
    return [process for process in psutil.process_iter() if _session(process) in made]


def leftovers(root: Path, but: Iterable[int] = (), sessions: Iterable[int] = ()) -> list[psutil.Process]:
    """Return this user's living processes of the environment at `root`, except those whose pid is in `but`.

    `sessions` are the ids of sessions that the environment made, which are the pids of its components: Airflow's
    workers forbid an ordinary user to look at their environment, directory and files
    (airflow/sdk/execution_time/supervisor.py, `_make_process_nondumpable`).
    """
    made = set(sessions)
    ignored = {os.getpid(), *but}
    found = []
    for candidate in psutil.process_iter(["uids", "status"]):
        uids = candidate.info["uids"]
        if candidate.pid in ignored or not uids or uids.real != os.getuid():
            continue
        if candidate.info["status"] != psutil.STATUS_ZOMBIE and (
            _session(candidate) in made or _belongs(candidate, root)
        ):
            found.append(candidate)
    return found


def end_descendants(but: Iterable[int] = ()) -> list[int]:
    """End every process below this one, except those whose pid is in `but`; return the pids.

    As a subreaper this process inherits what its descendants leave behind, so it goes on until nothing comes up.
    """
    kept, ended = set(but), []
    for _ in range(10):
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        below = [p for p in psutil.Process().children(recursive=True) if p.pid not in kept]
        if not below:
            break
        ended += [process.pid for process in below]
        end(below, grace=2)
    return ended


def end(processes: list[psutil.Process], grace: float) -> list[int]:
    """Ask processes to end, kill those that don't within `grace` seconds, and return the pids that had to be killed."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, alive = psutil.wait_procs(processes, timeout=grace)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=5)
    return [process.pid for process in alive]
