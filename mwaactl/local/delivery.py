"""The project's way into a running local environment: connections, manifests, then a release as to any environment."""

from mwaactl import environments, manifest, release
from mwaactl.errors import Problem
from mwaactl.local import aws, secrets
from mwaactl.local.layout import Layout
from mwaactl.local.progress import Steps
from mwaactl.local.state import read_json
from mwaactl.release.applying import Applied, How
from mwaactl.release.updates import UpdateFailed


def deliver(layout: Layout, steps: Steps) -> Applied:
    """Release the project at `layout.source` to the running environment and return what that did.

    Raises Problem when the release is refused, can't be built or doesn't run.
    """
    ports = read_json(layout.state_file)["ports"]
    with steps.step("secrets"):
        secrets.store(aws.client("secretsmanager", ports["aws"]), secrets.connections(layout, ports))
    with steps.step("manifest"):
        for project in secrets.projects(layout.source):
            manifest.build(project, steps.task, root=layout.source / "dbt")
    environment = environments.read(environments.LOCAL, layout.source, layout)
    try:
        return release.apply(environment, layout.source, How(show=steps.show_others))
    except UpdateFailed as failed:
        # Production's logs are in CloudWatch; here the supervisor knows the reason, and where to read more.
        error = read_json(layout.state_file).get("error")
        if not error:
            raise
        raise Problem(error["what"], error["next"]) from failed
