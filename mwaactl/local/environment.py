"""The environment, made out of its bucket: files, packages, start-up scripts."""

import hashlib
import io
import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mwaactl.errors import Problem
from mwaactl.local import components, image, options, scratch, startup
from mwaactl.local.layout import BUCKET, Layout

Told = Callable[[str], None]


@dataclass(frozen=True)
class Release:
    """What an environment is built from, except for dags/: a change of any of it makes MWAA replace its containers."""

    plugins: bytes
    requirements: bytes
    startup: bytes
    options: Mapping[str, str]


def download(s3: Any, settings: Mapping[str, Any]) -> Release:
    """Return the object versions that an environment's settings name (the members of GetEnvironment).

    A file without a path is empty. Raises Problem when one can't be read.
    """

    def body(part: str) -> bytes:
        key, version = settings.get(f"{part}S3Path"), settings.get(f"{part}S3ObjectVersion")
        if not key:
            return b""
        try:
            content: bytes = s3.get_object(Bucket=BUCKET, Key=key, VersionId=version)["Body"].read()
        except s3.exceptions.ClientError as error:
            raise Problem(
                f"{key} can't be read in version {version}: {error}", "Name a version that exists."
            ) from error
        return content

    return Release(
        body("Plugins"), body("Requirements"), body("StartupScript"), dict(settings["AirflowConfigurationOptions"])
    )


def place(release: Release, layout: Layout) -> None:
    """Put a release's files where MWAA's containers have them, in place of the last release's.

    Raises Problem when plugins.zip is no ZIP file.
    """
    home = layout.airflow_home
    for folder in (home / "startup", home / "requirements", home / "logs", layout.dags, layout.warehouse, layout.logs):
        folder.mkdir(parents=True, exist_ok=True)
    (home / "startup" / "startup.sh").write_bytes(release.startup)
    (home / "requirements" / "requirements.txt").write_bytes(release.requirements)
    (home / "config").mkdir(exist_ok=True)  # Airflow has it on its sys.path
    for module in ("airflow_sqlite.py", "airflow_api_server.py"):
        shutil.copy(Path(__file__).with_name(module), home / "config")
    plugins = home / "plugins"
    shutil.rmtree(plugins, ignore_errors=True)
    plugins.mkdir()
    if not release.plugins:
        return
    try:
        with zipfile.ZipFile(io.BytesIO(release.plugins)) as archive:
            archive.extractall(plugins)
    except zipfile.BadZipFile as error:
        raise Problem(
            f"plugins.zip can't be unpacked: {error}", "Release a ZIP file with plugins/ at its root."
        ) from error


def build(release: Release, layout: Layout, told: Told) -> tuple[Path, Problem | None]:
    """Return the virtualenv of Airflow with the release's requirements; build it when there is none yet.

    When the requirements can't be installed it is, as on MWAA, one without any of them, and the problem is returned,
    too. Raises Problem when MWAA's image itself can't be installed.
    """
    try:
        with tempfile.NamedTemporaryFile(prefix="requirements-", suffix=".txt") as file:
            file.write(release.requirements)
            file.flush()
            return image.environment(layout.venvs, layout.airflow_version, Path(file.name), told), None
    except image.RequirementsProblem as problem:
        return image.environment(layout.venvs, layout.airflow_version, Path(os.devnull), told), problem


def component_environments(
    release: Release, layout: Layout, venv: Path, ports: dict[str, int], told: Told
) -> dict[str, dict[str, str]]:
    """Run startup.sh once for each of MWAA's containers and return the environment of each component.

    Precedence is MWAA's: the container's own variables, then startup.sh's exports, then the configuration options; last
    come the variables that MWAA protects and, here, what one machine needs. Raises Problem when startup.sh fails
    or the temporary directory is somebody else's.
    """
    scratch.make(layout.scratch)
    chosen = options.variables(dict(release.options))
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
        before = components.container_environment(layout, container, venv, ports) | {"TMPDIR": str(layout.scratch)}
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
