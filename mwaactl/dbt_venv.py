"""dbt on the laptop and in CI: the same versions as startup.sh installs on a worker."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from mwaactl.errors import Problem
from mwaactl.local.image import uv
from mwaactl.local.layout import REPOSITORY

REQUIREMENTS = REPOSITORY / "requirements-dbt.txt"
MARKER = ".mwaa-dbt-complete"


def ensure(told: Callable[[str], None]) -> Path:
    """Return the virtualenv with requirements-dbt.txt; build it if it isn't there, unfinished or of other versions.

    DBT_VENV_PATH names another one, which is then used as it is.

    Raises Problem when it can't be built.
    """
    if given := os.environ.get("DBT_VENV_PATH"):
        if not (Path(given) / "bin" / "dbt").is_file():
            raise Problem(f"DBT_VENV_PATH is {given}, but there is no dbt in it.", "Correct it, or unset it.")
        return Path(given)
    venv = REPOSITORY / ".local" / "dbt_venv"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    venv.parent.mkdir(exist_ok=True)
    with (venv.parent / "dbt_venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        marker = venv / MARKER
        if marker.is_file() and marker.read_text() == wanted:
            return venv
        told("Installing dbt and its adapters")
        shutil.rmtree(venv, ignore_errors=True)
        _uv(["venv", "--quiet", "--python", sys.executable, str(venv)])
        _uv(["pip", "install", "--quiet", "--python", str(venv / "bin" / "python"), "-r", str(REQUIREMENTS)])
        marker.write_text(wanted)
    return venv


def _uv(arguments: list[str]) -> None:
    # In "/" because uv would otherwise apply this repository's settings, which are for Airflow.
    done = subprocess.run([uv(), *arguments], cwd="/", capture_output=True, text=True)
    if done.returncode:
        raise Problem(f"dbt could not be installed: {done.stderr.strip()}", "Look at the network, then try again.")
