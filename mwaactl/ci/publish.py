"""Makes the manifest of what production ran the state that pull requests are compared with."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from mwaa_dbt import state as states

from mwaactl import dbt_venv
from mwaactl.ci import profile, runs
from mwaactl.ci.runner import Dbt
from mwaactl.environments import Environment
from mwaactl.errors import Problem

Told = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """What to publish: `project` as it is released to `environment`; `folder` takes what is made, `project_dir` is the
    project here, for its profiles.yml. `dag_runs` are DAG_ID or DAG_ID/RUN_ID."""

    environment: Environment
    project: str
    project_dir: Path
    folder: Path
    dag_runs: Sequence[str] = ()
    profiles_dir: Path | None = None
    connection: str | None = None


def publish(request: Request, told: Told) -> states.Published:
    """Parse the released project for the environment's target and publish its manifest.

    Raises Problem when nothing is released, when no run of the release has succeeded, when that run left nodes out,
    when the project doesn't parse, or when another publication or release came between.
    """
    environment = request.environment
    try:
        place = states.Place(environment.bucket, request.project, environment.target, environment.prefix)
        s3 = environment.client("s3")
        release = states.released(s3, place)
        if release is None:
            raise Problem(
                f"Nothing is released in s3://{environment.bucket}/{place.key('')}.",
                f"Release first: mwaactl release apply -e {environment.name}",
            )
        airflow = runs.Airflow(environment)
        proofs = _proofs(airflow, request, states.released_at(s3, place, release))
        told(f"Fetching {request.project} of release {release}")
        source = _fetch(s3, environment, request.project, request.folder / "released")
        told(f"Parsing it for the target {environment.target}")
        manifest = _parse(request, source, told)
        _check_nodes(airflow, proofs, json.loads(manifest), told)
        return states.publish(s3, place, manifest, release, run=" ".join(one.name for one in proofs))
    except states.StateError as error:
        raise Problem(str(error)) from error


def _proofs(airflow: runs.Airflow, request: Request, released: datetime) -> list[runs.Run]:
    found = runs.find(airflow, request.dag_runs, request.project)
    objections = {one.name: runs.objection(one, released, request.environment.target) for one in found}
    good = [one for one in found if objections[one.name] is None]
    # Of DAGs that were found by their tag, one may be about something else, e.g. loading; the nodes tell.
    if not good or (request.dag_runs and len(good) < len(found)):
        reasons = "\n".join(f"  {reason}" for reason in objections.values() if reason)
        raise Problem(
            f"No successful run of all of {request.project} since the release; its state stays as it is:\n{reasons}",
            "Run the DAG and publish then, or name a run with --dag-run DAG_ID/RUN_ID.",
        )
    return good


def _fetch(s3: Any, environment: Environment, project: str, folder: Path) -> Path:
    prefix = environment.key(f"dags/dbt/{project}/")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=environment.bucket, Prefix=prefix)
    keys = [one["Key"] for page in pages for one in page.get("Contents", ()) if not one["Key"].endswith("/")]
    if not keys:
        raise Problem(f"The release has no dbt project {project} (s3://{environment.bucket}/{prefix}).")
    target = folder / project

    def fetch(key: str) -> None:
        path = target / key.removeprefix(prefix)
        path.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(environment.bucket, key, str(path))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fetch, keys))
    return target


def _parse(request: Request, source: Path, told: Told) -> bytes:
    # A release has no profiles.yml: the one beside the project here is meant, or the connection.
    used = profile.of(
        request.environment, request.project_dir, request.folder, request.profiles_dir, request.connection
    )
    with Dbt(dbt_venv.ensure(told), source, used, request.folder) as dbt:
        dbt.must("parse")
        return (dbt.target_path / "manifest.json").read_bytes()


def _check_nodes(airflow: runs.Airflow, proofs: list[runs.Run], manifest: dict[str, Any], told: Told) -> None:
    tasks: dict[str, str] = {}
    for run in proofs:
        tasks |= {f"{run.dag_id}.{task_id}": state for task_id, state in airflow.tasks(run).items()}
    found = runs.nodes(manifest, tasks)
    named = ", ".join(one.name for one in proofs)
    if found.left_out:
        raise Problem(f"{named} left out {_some(found.left_out)}.", "Run everything, then publish.")
    if not found.ran:
        raise Problem(f"{named} ran no node of {manifest['metadata']['project_name']}.", "Name another run.")
    if found.without_task:
        told(f"Without a task in {named}: {_some(found.without_task)}")


def _some(unique_ids: list[str]) -> str:
    return ", ".join(unique_ids[:10]) + (f" and {len(unique_ids) - 10} more" if len(unique_ids) > 10 else "")
