"""Airflow in the versions that MWAA offers beside the newest, each in a virtualenv that all tests share."""

from __future__ import annotations

import fcntl
import re
import tempfile
from pathlib import Path

from mwaactl.local import image
from mwaactl.local.layout import REPOSITORY

PINNED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?P<extra>\[.*\])?==(?P<version>[^\s;]+)")


def pins(path: Path) -> dict[str, str]:
    """Return the packages that the file at `path` pins, by normalised name."""
    found = (PINNED.match(line) for line in path.read_text().splitlines())
    return {re.sub(r"[-_.]+", "-", one["name"]).lower(): one["version"] for one in found if one}


def requirements_for(version: str, folder: Path) -> Path:
    """Return requirements.txt for an older image: without the pins that its constraints contradict."""
    constraints = pins(image.IMAGES / version / "constraints.txt")
    lines = []
    for line in (REPOSITORY / "requirements.txt").read_text().splitlines():
        pin = PINNED.match(line)
        free = pin and pin["name"] in constraints and constraints[pin["name"]] != pin["version"]
        lines.append(f"{pin['name']}{pin['extra'] or ''}" if pin and free else line)
    path = folder / f"requirements-{version}.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def python(version: str) -> str:
    """Return the interpreter of Airflow `version`; its virtualenv is built if there is none yet."""
    venvs = REPOSITORY / ".local" / "venvs"
    venvs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, (venvs / f"{version}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        venv = image.environment(venvs, version, requirements_for(version, Path(folder)), print)
    return str(venv / "bin" / "python")
