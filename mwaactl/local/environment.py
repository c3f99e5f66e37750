"""The environment, made out of its bucket: files, packages, start-up scripts."""

import hashlib
import io
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mwaactl.errors import Problem
from mwaactl.local import components, image, options, startup
from mwaactl.local.layout import BUCKET, Layout

Told = Callable[[str], None]


@dataclass(frozen=True)
class Release:
    """What an environment is built from, except for dags/: a change of any of it makes MWAA replace its containers."""

    plugins: bytes
    requirements: bytes
    startup: bytes
    options: str

    def differs_in(self, other: "Release") -> list[str]:
        """Return the names of the parts that differ from `other`."""
        names = {"plugins": "plugins.zip", "requirements": "requirements.txt", "startup": "startup.sh"}
        names["options"] = options.OPTIONS_FILE
        return [name for part, name in names.items() if getattr(self, part) != getattr(other, part)]


def download(s3: Any, layout: Layout) -> Release:
    """Return the release that the bucket holds now, with the project's configuration options."""

    def body(key: str) -> bytes:
        content: bytes = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return content

    return Release(
        body("plugins.zip"),
        body("requirements.txt"),
        body("startup.sh"),
        options.fingerprint(options.read(layout.source)),
    )


def place(release: Release, layout: Layout) -> None:
    """Put a release's files where MWAA's containers have them, in place of the last release's."""
    home = layout.airflow_home
    for folder in (home / "startup", home / "requirements", home / "logs", layout.dags, layout.warehouse, layout.logs):
        folder.mkdir(parents=True, exist_ok=True)
    (home / "startup" / "startup.sh").write_bytes(release.startup)
    (home / "requirements" / "requirements.txt").write_bytes(release.requirements)
    (home / "config").mkdir(exist_ok=True)  # Airflow has it on its sys.path
    shutil.copy(Path(__file__).with_name("airflow_sqlite.py"), home / "config")
    plugins = home / "plugins"
    shutil.rmtree(plugins, ignore_errors=True)
    with zipfile.ZipFile(io.BytesIO(release.plugins)) as archive:
        archive.extractall(plugins)


def build(layout: Layout, told: Told) -> Path:
    """Return the virtualenv of Airflow with the placed requirements.txt; build it when there is none yet."""
    requirements = layout.airflow_home / "requirements" / "requirements.txt"
    return image.environment(layout.venvs, layout.airflow_version, requirements, told)


def component_environments(layout: Layout, venv: Path, ports: dict[str, int], told: Told) -> dict[str, dict[str, str]]:
    """Run startup.sh once for each of MWAA's containers and return the environment of each component.

    Precedence is MWAA's: the container's own variables, then startup.sh's exports, then the configuration options; last
    come the variables that MWAA protects and, here, what one machine needs. Raises Problem when startup.sh fails.
    """
    chosen = options.variables(options.read(layout.source))
    protected = (
        "AIRFLOW_HOME",
        "AIRFLOW_ENV_NAME",
        "AIRFLOW_VERSION",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        components.OWNER,
    )
    ours = options.variables(options.overrides(layout, ports))
    python = venv / "bin" / "python"
    finished: dict[str, dict[str, str]] = {}
    for container in components.CONTAINERS:
        told(f"startup.sh as {container}")
        before = components.container_environment(layout, container, venv, ports)
        exported = startup.execute(before, python, layout.logs / f"startup-{container}.log", told)
        kept = {name: before[name] for name in protected}
        finished[container] = {**before, **exported, **chosen, **kept, **ours}
    return {name: finished[container] for name, (_, container) in components.COMPONENTS.items()}


def migrate(layout: Layout, venv: Path, environment: dict[str, str], told: Told) -> None:
    """Bring Airflow's database to this version's schema, unless that was done before.

    Raises Problem with Airflow's last lines when it fails.
    """
    database = layout.airflow_home / "airflow.db"
    marker = layout.airflow_home / ".database"
    wanted = hashlib.sha256(f"{layout.airflow_version} {venv.name}".encode()).hexdigest()
    if database.is_file() and marker.is_file() and marker.read_text() == wanted:
        return
    marker.unlink(missing_ok=True)
    told("airflow db migrate")
    command = [str(venv / "bin" / "airflow"), "db", "migrate"]
    log = layout.logs / "database.log"
    with log.open("wb") as output:
        status = subprocess.run(
            command, env=environment, cwd=layout.airflow_home, stdout=output, stderr=output
        ).returncode
    if status:
        lines = log.read_text(errors="replace").splitlines()[-8:]
        raise Problem(
            f"`airflow db migrate` failed on {database}:\n    " + "\n    ".join(lines),
            f"Read {log}. If the database is damaged or newer, start afresh: `mwaactl local down --delete`.",
        )
    marker.write_text(wanted)
