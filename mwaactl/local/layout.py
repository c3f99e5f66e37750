"""Where everything of one local environment lies."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
NAME = "local"  # of the MWAA environment
BUCKET = "mwaa-local"
AIRFLOW_VERSION = "3.3.1"
REGION = "eu-central-1"


@dataclass(frozen=True)
class Layout:
    """The directories and files of one local environment.

    `root` belongs to the environment alone; `source` is the project that is uploaded to its bucket (read only);
    `venvs` is shared by all local environments of one repository.
    """

    root: Path
    source: Path
    venvs: Path

    @classmethod
    def of(cls, directory: Path | None = None, source: Path | None = None) -> "Layout":
        """Return a layout; None stands for MWAACTL_LOCAL_DIR and MWAACTL_SOURCE, else for the defaults."""
        root = directory or Path(os.environ.get("MWAACTL_LOCAL_DIR") or REPOSITORY / ".local" / "environment")
        project = source or Path(os.environ.get("MWAACTL_SOURCE") or REPOSITORY)
        return cls(root=root.resolve(), source=project.resolve(), venvs=REPOSITORY / ".local" / "venvs")

    @property
    def airflow_version(self) -> str:
        """The Airflow version of the environment."""
        return AIRFLOW_VERSION

    @property
    def airflow_home(self) -> Path:
        """AIRFLOW_HOME, laid out as in MWAA's containers: dags/, plugins/, startup/, requirements/."""
        return self.root / "airflow"

    @property
    def dags(self) -> Path:
        """The folder that the bucket's dags/ is synced to."""
        return self.airflow_home / "dags"

    @property
    def dbt_venv(self) -> Path:
        """Where startup.sh builds the virtualenv of dbt."""
        return self.airflow_home / "dbt_venv"

    @property
    def warehouse(self) -> Path:
        """The folder of the DuckDB files."""
        return self.root / "warehouse"

    @property
    def logs(self) -> Path:
        """One log file per component."""
        return self.root / "logs"

    @property
    def scratch(self) -> Path:
        """The temporary directory of the environment's processes; it goes when they do.

        Not below `root`: a socket's path has 107 bytes at most. Not by TMPDIR: `up` and `down` must mean the same one.
        """
        return Path("/tmp") / f"mwaactl-local-{hashlib.sha256(str(self.root).encode()).hexdigest()[:12]}"  # noqa: S108

    @property
    def state_file(self) -> Path:
        """What the supervisor says about itself; written by it alone."""
        return self.root / "state.json"

    @property
    def ports_file(self) -> Path:
        """The ports of the last boot, so that the next one uses the same."""
        return self.root / "ports.json"

    @property
    def keys_file(self) -> Path:
        """The environment's generated keys (Fernet, JWT); readable by the owner alone."""
        return self.root / "keys.json"

    @property
    def messages_file(self) -> Path:
        """What the Slack and mail sink received, one JSON object per line."""
        return self.root / "messages.jsonl"

    @property
    def lock_file(self) -> Path:
        """Held by `up` and `down`, so that two of them don't run at once."""
        return self.root / "up.lock"
