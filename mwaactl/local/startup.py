"""startup.sh, run as MWAA's containers run it."""

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from mwaactl.errors import Problem
from mwaactl.local.state import read_json

WRAPPER = Path(__file__).with_name("execute-startup-script")
LIMIT = 295.0  # seconds; MWAA gives five minutes, less five seconds
GRACE = 5.0
# What bash itself sets is not something the script exported.
SHELL_VARIABLES = {"_", "SHLVL", "PWD", "OLDPWD"}


def execute(
    environment: dict[str, str],
    python: Path,
    log: Path,
    told: Callable[[str], None] = lambda _: None,
    limit: float = LIMIT,
) -> dict[str, str]:
    """Source $HOME/startup/startup.sh with `environment` and return the variables it exported or changed.

    Its output goes to the file `log`, each line also to `told`. A non-zero `exit` counts as success, as on MWAA.
    Raises Problem when the script ends its shell otherwise or takes longer than `limit` seconds.
    """
    home = Path(environment["HOME"])
    with tempfile.TemporaryDirectory(prefix="startup-") as temporary:
        result = Path(temporary) / "environment.json"
        with (
            log.open("wb") as output,
            subprocess.Popen(
                ["/bin/bash", str(WRAPPER), str(result), str(python)],
                env=environment,
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            ) as shell,
        ):

            def copy() -> None:
                for line in shell.stdout or ():
                    output.write(line)
                    output.flush()
                    told(line.decode(errors="replace").strip())

            reader = threading.Thread(target=copy, daemon=True)
            reader.start()
            try:
                timed_out = _wait(shell, limit)
            finally:
                _end(shell)
            reader.join(5)
        exported = read_json(result)

    component = environment.get("MWAA_AIRFLOW_COMPONENT", "")
    if timed_out:
        raise Problem(
            f"startup.sh as {component} took longer than {limit:.0f} s and was ended, as on MWAA. {_tail(log)}",
            f"Read {log} and make the slow step faster (wheels in plugins/wheels need no download).",
        )
    if not exported:
        raise Problem(
            f"startup.sh failed as {component}; on MWAA this container never becomes healthy. {_tail(log)}",
            f"Read {log}, correct the cause and repeat `make up`.",
        )
    return {
        name: value
        for name, value in exported.items()
        if name not in SHELL_VARIABLES and environment.get(name) != value
    }


def _wait(shell: subprocess.Popen[bytes], limit: float) -> bool:
    """Wait for the shell; end it politely when the limit is over. Return whether it was."""
    try:
        shell.wait(limit)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            shell.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            shell.wait(GRACE)
        return True
    return False


def _end(shell: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the script's process group, so that an interrupted build doesn't go on behind our back."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(shell.pid, signal.SIGKILL)


def _tail(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return "Its last lines:\n    " + "\n    ".join(lines[-8:]) if lines else "It wrote nothing."
