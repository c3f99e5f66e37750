"""The dbt profile of a check: a profiles.yml, or the project's connection of the environment in Secrets Manager."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from mwaactl import yaml_files
from mwaactl.environments import Environment
from mwaactl.errors import Problem
from mwaactl.local.secrets import PREFIX

#: As [mwaa_dbt] connection says where nothing else is set (docs/settings.md).
CONNECTION = "{project}_{target}"


@dataclass(frozen=True)
class Profile:
    """Which profile dbt uses: `name` and `target` ("": its default) in `folder`/profiles.yml, and in `env` the secrets
    that it refers to."""

    name: str
    target: str
    folder: Path
    env: dict[str, str] = field(default_factory=dict, repr=False)


def of(
    environment: Environment,
    project_dir: Path,
    scratch: Path,
    profiles_dir: Path | None = None,
    connection: str | None = None,
) -> Profile:
    """Return the profile with which the project in `project_dir` reads and writes `environment`'s warehouse.

    From the connection's secret if `connection` names one (or the environment is the local one, which has no other
    place); else from `profiles_dir` or the project's own profiles.yml. What is made of a connection is written to
    `scratch`, without secrets. Raises Problem when there is none for the environment's target.
    """
    name = project_dir.name
    if connection or (environment.is_local and not profiles_dir):
        conn_id = (connection or CONNECTION).format(project=name, target=environment.target)
        return _from_secret(environment, name, conn_id, scratch)
    folder = profiles_dir or Path(os.environ.get("DBT_PROFILES_DIR") or project_dir)
    outputs = _outputs(folder / "profiles.yml", name)
    if environment.target not in outputs:
        raise Problem(
            f"{folder / 'profiles.yml'} has no output {environment.target} for the profile {name}.",
            f"Add it (there are: {', '.join(outputs) or 'none'}), name another folder with --profiles-dir, or use the "
            "environment's connection with --connection.",
        )
    return Profile(name, environment.target, folder)


def _outputs(path: Path, profile: str) -> list[str]:
    found = yaml_files.mapping(path).get(profile) if path.exists() else None
    return list((found or {}).get("outputs") or ())


def _from_secret(environment: Environment, name: str, conn_id: str, scratch: Path) -> Profile:
    secret_id = PREFIX + conn_id
    try:
        secret = environment.client("secretsmanager").get_secret_value(SecretId=secret_id)["SecretString"]
    except (BotoCoreError, ClientError) as error:
        raise Problem(
            f"The secret {secret_id} of {environment.name} can't be read: {error}",
            "Create it, or allow secretsmanager:GetSecretValue on it; docs/connections.md has its form.",
        ) from error
    made = _convert(conn_id, secret, name, environment.target, scratch)
    folder = scratch / "profiles"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "profiles.yml").write_text(made["profiles"], encoding="utf-8")
    return Profile(name, environment.target, folder, made["env"])


def _convert(conn_id: str, secret: str, name: str, target: str, scratch: Path) -> dict[str, Any]:
    """Let the library do what it does on a worker, in a process of its own: Airflow takes seconds and settings."""
    home = scratch / "airflow"
    home.mkdir(parents=True, exist_ok=True)
    env = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")}
    done = subprocess.run(
        [sys.executable, "-m", "mwaactl.ci.connection_profile"],
        input=json.dumps({"conn_id": conn_id, "secret": secret, "profile": name, "target": target}),
        env={**env, "AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"},
        capture_output=True,
        text=True,
    )
    if done.returncode == 3:
        raise Problem(done.stderr.strip().splitlines()[-1], "Correct the connection; docs/connections.md has its form.")
    if done.returncode:
        raise Problem(
            f"The connection {conn_id} could not be made a dbt profile:\n{done.stderr.strip()[-2000:]}",
            "Use a profiles.yml instead (--profiles-dir), if the reason above says nothing.",
        )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
