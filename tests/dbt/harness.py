"""Runs the dbt of the dbt virtualenv on the project flights, several commands in one process."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2] / "dbt" / "flights"
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
        # One path for all, behind which lies this test's warehouse: at another one dbt would parse everything anew.
        path = self.scratch / "warehouse.duckdb"
        path.unlink(missing_ok=True)
        if warehouse:
            path.symlink_to(warehouse)
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
            "FLIGHTS_DUCKDB_PATH": str(path),
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
