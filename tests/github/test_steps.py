"""The workflows' scripts, run against the local environment in place of AWS, GitHub and Slack's own."""

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mwaactl.local import follow, sink
from mwaactl.local.layout import REPOSITORY
from mwaactl.local.state import read_json
from tests.end_to_end.conftest import Demo, green  # noqa: F401 - a fixture
from tests.github.workflows import Job
from tests.local_environment import LocalEnvironment
from tests.mwaactl.ci_notes import github_server
from tests.mwaactl.ci_notes.github_server import TOKEN, GitHub

pytestmark = [pytest.mark.end_to_end, pytest.mark.long, pytest.mark.timeout(1800)]
NUMBER = 7
CHECK_MD = REPOSITORY / ".local" / "check.md"
#: What the conditions of steps are worth: whether a step before has failed, files that are there.
CONDITIONS: dict[str, Callable[[bool], bool]] = {
    "failure()": lambda failed: failed,
    "inputs.environment == 'prod'": lambda failed: not failed,  # the local environment stands for prod
    "${{ !cancelled() && hashFiles('.local/check.md') != '' }}": lambda failed: CHECK_MD.is_file(),
}
CONTEXTS = {
    "inputs.environment": "prod",
    "inputs.release": "",
    "github.event.pull_request.number": str(NUMBER),
    "github.token": TOKEN,
    "secrets.SLACK_TOKEN": sink.TOKEN,
    "vars.SLACK_CHANNEL": "#data-ci",
}
EVENT = {
    "pull_request": {
        "number": NUMBER,
        "title": "More flights",
        "html_url": f"https://github.com/{github_server.REPOSITORY}/pull/{NUMBER}",
        "user": {"login": "octocat"},
    }
}


@pytest.fixture
def github() -> Iterator[GitHub]:
    with github_server.running() as server:
        yield server


@pytest.fixture
def job(environment: LocalEnvironment, github: GitHub, tmp_path: Path) -> Callable[..., Job]:
    """Return a function that makes a job of a workflow, as a runner would start it on the local environment."""
    CHECK_MD.unlink(missing_ok=True)
    slack = read_json(environment.layout.state_file)["urls"]["slack"]
    secrets = environment.client("secretsmanager")
    connection = {"conn_type": "duckdb", "host": str(environment.layout.warehouse / "flights_dev.duckdb")}
    with contextlib.suppress(secrets.exceptions.ResourceExistsException):
        secrets.create_secret(Name="airflow/connections/flights_ci", SecretString=json.dumps(connection))
    (tmp_path / "event.json").write_text(json.dumps(EVENT))
    passed = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "AIRFLOW", "GITHUB_"))}
    given = {
        **passed,
        "ENVIRONMENT": "local",
        "MWAACTL_LOCAL_DIR": str(environment.layout.root),
        "MWAACTL_SOURCE": str(environment.source),
        "GITHUB_API_URL": github.url,
        "GITHUB_REPOSITORY": github_server.REPOSITORY,
        "GITHUB_WORKFLOW": "Deploy",
        "GITHUB_REF_NAME": "main",
        "GITHUB_SHA": "0123456789abcdef",
        "GITHUB_RUN_ID": "99",
        "SLACK_API_URL": f"{slack}/api/",
    }

    def make(workflow: str, name: str) -> Job:
        event = {"GITHUB_EVENT_PATH": str(tmp_path / "event.json")} if workflow == "pull-request" else {}
        return Job(workflow, name, CONTEXTS, {**given, **event}, CONDITIONS)

    return make


def green_job(job: Job) -> None:
    assert job.run(REPOSITORY), "\n".join(job.output)


def said(environment: LocalEnvironment) -> list[dict[str, Any]]:
    """Return what CI told Slack so far."""
    return [one for one in environment.messages() if one.get("channel") == "#data-ci"]


def test_release_applies_builds_publishes_and_tells(
    environment: LocalEnvironment,
    green: Demo,  # noqa: F811
    job: Callable[..., Job],
) -> None:
    assert green.status == 0
    (environment.source / "dags" / "flights_load.py").open("a").write("\n# released by a workflow\n")
    green_job(job("release", "release"))
    assert "released by a workflow" in (environment.layout.dags / "flights_load.py").read_text()
    runs = environment.api.all("/dags/flights_init/dagRuns", "dag_runs")
    newest = follow.read(environment.api, "flights_init", runs[-1]["dag_run_id"])
    assert newest.succeeded
    s3 = environment.client("s3")
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket="mwaa-local", Prefix="mwaactl/state/")["Contents"]]
    assert "mwaactl/state/flights/dev/manifest.json" in keys
    assert "is released (local)" in said(environment)[-1]["text"]


def test_a_pull_request_gets_one_comment_per_subject(
    environment: LocalEnvironment,
    green: Demo,  # noqa: F811
    job: Callable[..., Job],
    github: GitHub,
) -> None:
    assert green.status == 0
    green_job(job("pull-request", "opened"))
    assert "More flights" in said(environment)[-1]["text"]
    green_job(job("pull-request", "lint"))
    model = environment.source / "dbt" / "flights" / "models" / "marts" / "fct_flights.sql"
    model.write_text(model.read_text() + "\n-- changed\n")
    green_job(job("pull-request", "check"))
    plan, check = (one["body"] for one in github.comments)
    assert "release plan" in plan
    assert "fct_flights.sql" in plan
    assert "fct_flights" in check
    green_job(job("pull-request", "drop"))
    green_job(job("pull-request", "failed"))
    assert "failed" in said(environment)[-1]["text"]


def test_a_release_that_breaks_is_told_and_rolled_back_by_hand(
    environment: LocalEnvironment, job: Callable[..., Job]
) -> None:
    path = environment.source / "dags" / "flights_load.py"
    good = path.read_text()
    path.write_text("from airflow.sdk import DAG\n\nraise ValueError('broken')\n")
    try:
        broken = job("release", "release")
        assert not broken.run(REPOSITORY)
    finally:
        path.write_text(good)
    assert "broken" in "".join(broken.output)
    assert "failed" in said(environment)[-1]["text"]
    green_job(job("rollback", "rollback"))
