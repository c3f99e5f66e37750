"""MWAA's CLI endpoint: Airflow's own command line, as far as MWAA lets it through."""

import base64
import shlex
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# MWAA user guide, "Apache Airflow CLI command reference", for 3.0.6, 3.2.1 and 3.3.1.
_SUPPORTED = """
assets details list materialize
backfill create
cheat-sheet
connections add delete
dags delete list list-import-errors list-jobs list-runs next-execution pause report reserialize show state test trigger
dags unpause
db clean
providers
roles add-perms create del-perms list
tasks clear failed-deps list render state states-for-dag-run test
variables delete get list set
version
"""
#: Airflow's groups of commands that MWAA lets through, with their commands; none stands for all.
SUPPORTED: dict[str, set[str]] = {}
for _line in _SUPPORTED.strip().splitlines():
    SUPPORTED.setdefault(_line.split()[0], set()).update(_line.split()[1:])
LIMIT = 300.0  # seconds; MWAA's own is not documented


@dataclass(frozen=True)
class Output:
    """What a command wrote, and its exit status."""

    status: int
    stdout: bytes
    stderr: bytes

    def members(self) -> dict[str, str]:
        """Return the endpoint's answer: both streams in base64."""
        streams = {"stdout": self.stdout, "stderr": self.stderr}
        return {name: base64.b64encode(content).decode() for name, content in streams.items()}


def arguments(line: str) -> list[str]:
    """Return the arguments for `airflow` of a command line such as `dags list -o json`.

    Raises ValueError, with words for the caller, when MWAA doesn't support the command or a quote isn't closed.
    """
    try:
        found = shlex.split(line)
    except ValueError as error:
        raise ValueError(f"The command can't be read: {error}") from None
    group, command = [*found, "", ""][:2]
    if group not in SUPPORTED:
        raise ValueError(f"MWAA does not support `airflow {group}`. Supported: {', '.join(SUPPORTED)}.")
    commands = SUPPORTED[group]
    if commands and command not in commands:
        known = ", ".join(sorted(commands))
        raise ValueError(f"MWAA does not support `airflow {group} {command}`. Supported of {group}: {known}.")
    return found


class Runner:
    """Runs commands, one at a time: each is an Airflow of its own, and MWAA, too, asks to wait for the one before."""

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        #: Process ids that are waited for here, and by nobody else.
        self.pids: set[int] = set()

    def run(self, found: list[str], environment: Mapping[str, str], home: Path) -> Output:
        """Run `airflow` with the arguments `found` in the environment of a container."""
        executable = Path(environment["PATH"].split(":")[0]) / "airflow"
        with self._one_at_a_time:
            process = subprocess.Popen(
                [str(executable), *found],
                env=dict(environment),
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            self.pids.add(process.pid)
            try:
                stdout, stderr = process.communicate(timeout=LIMIT)
            except subprocess.TimeoutExpired:
                process.kill()
                stdout, stderr = process.communicate()
                stderr += f"\nended after {LIMIT:.0f} s\n".encode()
            finally:
                self.pids.discard(process.pid)
        return Output(process.returncode, stdout, stderr)
