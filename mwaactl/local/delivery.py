"""The project's way into a running local environment: its connections, its manifests, its files, an update."""

import time
from pathlib import Path
from typing import Any

from mwaactl import environments, manifest
from mwaactl.errors import Problem
from mwaactl.local import aws, bucket, health, options, secrets
from mwaactl.local.api import Api
from mwaactl.local.layout import Layout
from mwaactl.local.progress import Steps
from mwaactl.local.state import read_json

_FILES = {"Plugins": "plugins.zip", "Requirements": "requirements.txt", "StartupScript": "startup.sh"}
PARSE_LIMIT = 150.0


def deliver(layout: Layout, steps: Steps) -> None:
    """Bring the project at `layout.source` into the running environment and wait until it is there.

    Raises Problem when something of it can't be done.
    """
    state = read_json(layout.state_file)
    with steps.step("manifest"):
        for project in secrets.projects(layout.source):
            manifest.build(project, steps.task, root=layout.source / "dbt")
    environment = environments.read(environments.LOCAL, layout.source, layout)
    s3, mwaa = environment.client("s3"), environment.client("mwaa")
    with steps.step("bucket"):
        values = secrets.connections(layout, state["ports"])
        secrets.store(aws.client("secretsmanager", state["ports"]["aws"]), values)
        began = time.time()
        changes = bucket.upload(s3, bucket.contents(layout.source), steps.task)
    now = mwaa.get_environment(Name=environment.mwaa)["Environment"]
    wanted = _wanted(s3, environment.bucket, layout.source)
    if now["Status"] != "AVAILABLE" or any(now.get(name) != value for name, value in wanted.items()):
        mwaa.update_environment(Name=environment.mwaa, **wanted)
        while mwaa.get_environment(Name=environment.mwaa)["Environment"]["Status"] not in (
            "AVAILABLE",
            "UPDATE_FAILED",
            "UNAVAILABLE",
        ):
            time.sleep(0.3)
        if error := read_json(layout.state_file)["error"]:
            raise Problem(error["what"], error["next"])
    elif changes:
        api = Api(state["urls"]["ui"])
        with steps.step("dags"):
            health.wait(lambda: health.unparsed(api, layout.dags, began), PARSE_LIMIT, lambda: None)


def _wanted(s3: Any, name: str, source: Path) -> dict[str, Any]:
    found: dict[str, Any] = {"AirflowConfigurationOptions": options.read(source)}
    for part, key in _FILES.items():
        found[f"{part}S3Path"] = key
        found[f"{part}S3ObjectVersion"] = s3.head_object(Bucket=name, Key=key)["VersionId"]
    return found
