"""On what, and of what, a measurement was made."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from mwaactl.local.layout import AIRFLOW_VERSION, REPOSITORY


def describe(dbt_venv: Path) -> dict[str, Any]:
    """Return cores, memory, CPU model, the load before the measurement, versions and commit."""
    cpu = [line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    total = [int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")]
    commit = _git("rev-parse", "--short", "HEAD")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(total[0] / 1024**2, 1) if total else None,
        "cpu": cpu[0] if cpu else platform.processor(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load_before": round(os.getloadavg()[0], 2),
        "commit": commit + ("-dirty" if _git("status", "--porcelain", "-uno") else ""),
        "versions": {
            "python": platform.python_version(),
            "airflow": AIRFLOW_VERSION,
            "cosmos": metadata.version("astronomer-cosmos"),
            **_installed(dbt_venv, ("dbt_core", "dbt_duckdb", "duckdb")),
        },
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).is_file() else []


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True)
    return done.stdout.strip() or ("unknown" if arguments[0] == "rev-parse" else "")


def _installed(venv: Path, names: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for name in names:
        for folder in venv.glob(f"lib/python*/site-packages/{name}-*.dist-info"):
            found[name.replace("_", "-")] = folder.name.removeprefix(f"{name}-").removesuffix(".dist-info")
    return found
