"""MWAA's image and the user's requirements, as one virtualenv per (image, requirements, Python)."""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from mwaactl.errors import Problem
from mwaactl.local.layout import REPOSITORY

IMAGES = Path(__file__).resolve().parents[1] / "image"
MARKER = ".complete"
# MWAA's own test for "this requirements.txt brings its constraints itself", applied to each line, comments included.
NAMES_CONSTRAINTS = re.compile(r"-c |--constraint ")

Told = Callable[[str], None]


def uv() -> str:
    """Return the path of uv: the repository's own, or the one on PATH.

    Raises Problem when there is none.
    """
    own = REPOSITORY / ".local" / "uv" / "bin" / "uv"
    found = os.environ.get("UV") or (str(own) if own.is_file() else shutil.which("uv"))
    if not found:
        raise Problem("uv is not installed.", "Run `make setup`, which puts it into .local/uv.")
    # Where a company has its own certificates, uv must know them as pip and git do.
    os.environ.setdefault("UV_SYSTEM_CERTS", "true")
    return found


def _run(arguments: list[str], told: Told) -> tuple[int, list[str]]:
    """Run a command outside any project, tell each line as it comes, and return status and lines."""
    # In "/" because uv would otherwise apply this repository's settings; the user's own (mirrors) hold.
    with subprocess.Popen(
        arguments, cwd="/", text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
    ) as process:
        lines: list[str] = []
        for line in process.stdout or ():
            if line.strip():
                lines.append(line.rstrip())
                told(line.strip())
    return process.returncode, lines


def _key(version: str, requirements: bytes) -> str:
    content = hashlib.sha256()
    for path in sorted((IMAGES / version).iterdir()):
        content.update(path.read_bytes())
    content.update(requirements)
    content.update(f"{sys.version}{platform.machine()}".encode())
    return f"airflow-{version}-py{sys.version_info[0]}.{sys.version_info[1]}-{content.hexdigest()[:12]}"


class RequirementsProblem(Problem):
    """requirements.txt could not be installed; the image itself could."""


def environment(venvs: Path, version: str, requirements: Path, told: Told) -> Path:
    """Return the virtualenv with MWAA's image of Airflow `version` plus `requirements`; build it if need be.

    As on MWAA, requirements are held to the essential constraints always, and to the image's constraints when the file
    names none. Raises Problem when the image can't be installed, RequirementsProblem when `requirements` can't.
    """
    image = IMAGES / version
    if not image.is_dir():
        known = ", ".join(sorted(path.name for path in IMAGES.iterdir()))
        raise Problem(f"There is no image of Airflow {version} in {IMAGES}.", f"Choose one of {known}.")
    content = requirements.read_bytes()
    venv = venvs / _key(version, content)
    if (venv / MARKER).is_file():
        return venv
    venvs.mkdir(parents=True, exist_ok=True)
    with (venvs / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two environments may boot at once
        if not (venv / MARKER).is_file():
            _build(venv, image, requirements, content, told)
    return venv


def _build(venv: Path, image: Path, requirements: Path, content: bytes, told: Told) -> None:
    if venv.exists():
        told("removing an unfinished virtualenv")
        shutil.rmtree(venv)
    status, lines = _run([uv(), "venv", "--quiet", "--python", sys.executable, str(venv)], told)
    if status:
        raise Problem(f"uv could not make the virtualenv {venv}: " + "\n  ".join(lines[-5:]), "See the lines above.")

    essential = ["-c", str(image / "essential-constraints.txt")]
    everything = ["-c", str(image / "constraints.txt"), *essential]
    what = f"MWAA's image of Airflow {image.name}"
    if lines := _install(venv, ["-r", str(image / "preinstalled.txt"), *everything], what, told):
        raise Problem(
            f"{what} could not be installed:\n    " + "\n    ".join(lines[-12:]),
            "Look at the network: the packages come from the package index (PIP_INDEX_URL, UV_DEFAULT_INDEX).",
        )
    if content.strip():
        brings_own = any(NAMES_CONSTRAINTS.search(line) for line in content.decode(errors="replace").splitlines())
        _install_requirements(venv, requirements, essential if brings_own else everything, told)
    (venv / MARKER).write_text("complete\n")


def _install_requirements(venv: Path, requirements: Path, constraints: list[str], told: Told) -> None:
    if lines := _install(venv, ["-r", str(requirements), *constraints], "requirements.txt", told):
        raise RequirementsProblem(
            "requirements.txt could not be installed under MWAA's constraints:\n    " + "\n    ".join(lines[-12:]),
            "Correct requirements.txt, or look at the network if packages could not be fetched.",
        )


def _install(venv: Path, arguments: list[str], what: str, told: Told) -> list[str]:
    """Install packages; return what uv said if that failed."""
    told(what)
    status, lines = _run([uv(), "pip", "install", "--python", str(venv / "bin" / "python"), *arguments], told)
    return (lines or ["uv said nothing"]) if status else []
