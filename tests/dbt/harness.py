import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mwaactl.landing import write_landing

REPOSITORY = Path(__file__).parents[2]
PROJECT = REPOSITORY / "dbt" / "flights"
DRIVER = Path(__file__).parent / "driver.py"

# Enough for dbt to know the dialect. Nothing here connects.
DUMMY_PROFILES = """
flights:
  outputs:
    snowflake:
      {type: snowflake, account: none-none, user: nobody, password: none, database: demo, warehouse: none, schema: anna}
    bigquery: {type: bigquery, method: oauth-secrets, token: none, project: demo, dataset: anna}
"""


@dataclass(frozen=True)
class Dbt:
    """The dbt of the dbt virtualenv on the project flights, its artifacts below `scratch`."""

    python: Path
    scratch: Path

    def run(
        self,
        *commands: list[str],
        warehouse: Path | None = None,
        profiles: Path = PROJECT,
        target: str = "dev",
        adapter: str = "duckdb",
        existing: list[str] | None = None,
        fails: bool = False,
    ) -> list[dict[str, Any]]:
        """Run dbt commands in one process; each must succeed, or with `fails` each must fail."""
        report = self.scratch / "report.json"
        report.unlink(missing_ok=True)
        env = {
            **{
                name: value for name, value in os.environ.items() if not name.startswith(("DBT_", "FLIGHTS_", "PYTHON"))
            },
            "DBT_PROJECT_DIR": str(PROJECT),
            "DBT_PROFILES_DIR": str(profiles),
            "DBT_TARGET": target,
            "DBT_TARGET_PATH": str(self.artifacts(target)),
            "DBT_LOG_PATH": str(self.scratch / "logs"),
            "DBT_USE_COLORS": "false",
            "FLIGHTS_DUCKDB_PATH": str(warehouse or self.scratch / "none.duckdb"),
        }
        request = json.dumps({"commands": commands, "adapter": adapter, "existing": existing, "go_on": fails})
        process = subprocess.run(
            [self.python, DRIVER, report],
            input=request,
            env=env,
            cwd=self.scratch,
            capture_output=True,
            text=True,
            check=False,
        )
        assert report.exists(), process.stdout + process.stderr
        outcomes: list[dict[str, Any]] = json.loads(report.read_text())
        succeeded = [outcome["success"] for outcome in outcomes]
        assert succeeded == [not fails] * len(commands), "\n".join(outcomes[-1]["lines"][-40:]) + str(
            outcomes[-1]["error"]
        )
        return outcomes

    def artifacts(self, target: str = "dev") -> Path:
        """Where the artifacts of a target's commands lie."""
        return self.scratch / f"target_{target}"

    def manifest(self, target: str = "dev") -> dict[str, Any]:
        """The manifest of the target's last command."""
        manifest: dict[str, Any] = json.loads((self.artifacts(target) / "manifest.json").read_text())
        return manifest


@pytest.fixture(scope="session")
def dbt(tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    given = os.environ.get("DBT_VENV_PATH")
    venv = Path(given) if given else built_venv(REPOSITORY / ".local" / "dbt_venv")
    return Dbt(python=venv / "bin" / "python", scratch=tmp_path_factory.mktemp("dbt"))


def built_venv(venv: Path) -> Path:
    requirements = REPOSITORY / "requirements-dbt.txt"
    marker, content = venv / ".complete", hashlib.sha256(requirements.read_bytes()).hexdigest()
    venv.parent.mkdir(exist_ok=True)
    with venv.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not marker.is_file() or marker.read_text() != content:
            local = REPOSITORY / ".local" / "uv" / "bin" / "uv"
            uv = os.environ.get("UV") or (str(local) if local.exists() else shutil.which("uv"))
            assert uv, "No uv found to build dbt's virtualenv with: set UV or DBT_VENV_PATH, or run `make setup`."
            shutil.rmtree(venv, ignore_errors=True)
            subprocess.run([uv, "--no-config", "venv", "--quiet", "--python", sys.executable, venv], check=True)
            install = [
                uv,
                "--no-config",
                "pip",
                "install",
                "--quiet",
                "--python",
                venv / "bin" / "python",
                "-r",
                requirements,
            ]
            subprocess.run(install, check=True)
            marker.write_text(content)
    return venv


@pytest.fixture(scope="session")
def dummy_profiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("profiles")
    (directory / "profiles.yml").write_text(DUMMY_PROFILES)
    return directory


@pytest.fixture(scope="session")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("landing")
    write_landing(directory)
    return directory
