"""Releases to the local environment, through MWAA's API: applied, raced, broken, taken back, run."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mwaactl import environments
from mwaactl.environments import Environment
from mwaactl.release import looking, pointer
from mwaactl.release.applying import Applied, Unverified, apply
from mwaactl.release.how import DAG_IMPORTS, How
from mwaactl.release.objects import Bucket
from mwaactl.release.rolling_back import rollback
from tests.end_to_end.support import QUICK, TRANSFORM
from tests.local_environment import LocalEnvironment

pytestmark = pytest.mark.end_to_end
BROKEN = "from airflow.sdk import DAG\n\nraise RuntimeError('this DAG file is broken')\n"


@pytest.fixture(scope="module")
def here(environment: LocalEnvironment) -> Iterator[Environment]:
    """The local environment as releases see it, with the project as it is in force."""
    found = environments.read(environments.LOCAL, environment.source, environment.layout)
    apply(found, environment.source)
    before = {path: path.read_bytes() for path in files(environment.source)}
    yield found
    for path in files(environment.source):
        if path not in before:
            path.unlink()
    for path, content in before.items():
        path.write_bytes(content)
    apply(found, environment.source)


def files(source: Path) -> list[Path]:
    """Return the files that tests of this module change."""
    return [path for path in (*(source / "dags").glob("*.py"), source / "requirements.txt") if path.is_file()]


def cli(environment: LocalEnvironment, *arguments: str) -> subprocess.Popen[str]:
    """Start `mwaactl ARGUMENTS` on the local environment, as a person would."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "AWS_", "MWAACTL_"))}
    clean |= {"MWAACTL_LOCAL_DIR": str(environment.layout.root)}
    line = [sys.executable, "-m", "mwaactl", *arguments, "-e", "local", "--source", str(environment.source)]
    return subprocess.Popen(line, env=clean, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_a_change_is_released_and_proven(environment: LocalEnvironment, here: Environment) -> None:
    helper = environment.source / "dags" / "assets.py"
    helper.write_text(helper.read_text() + "# a change\n")
    done = apply(here, environment.source)
    assert done.plan.uploads == ("dags/assets.py",)
    assert done.plan.update is None
    assert done.verdict
    assert done.verdict.good
    assert set(done.record.dags) >= {"flights_load", TRANSFORM}
    assert (environment.layout.dags / "assets.py").read_text().endswith("# a change\n")
    assert apply(here, environment.source).nothing
    status = cli(environment, "release", "status", "--format", "json")
    assert json.loads(status.communicate()[0])["good"]


def test_of_two_applies_at_once_one_wins(environment: LocalEnvironment, here: Environment) -> None:
    helper = environment.source / "dags" / "assets.py"
    helper.write_text(helper.read_text() + "# raced\n")
    both = [cli(environment, "release", "apply", "--format", "json") for _ in range(2)]
    ended = [(one.communicate(), one.returncode) for one in both]
    winners = [json.loads(out) for (out, _), status in ended if status == 0]
    released = [one for one in winners if not one["nothing"]]
    assert len(released) == 1, ended
    for (_, said), status in ended:
        # Who came when all was done found nothing to do; who came in the middle was told.
        assert status == 0 or "is being changed" in said or "was changed meanwhile" in said, said
    assert pointer.read(here.client("s3"), here).release == released[0]["release"]
    assert looking.status(here).good


@pytest.mark.long
def test_a_release_that_breaks_a_dag_is_taken_back(environment: LocalEnvironment, here: Environment) -> None:
    before = Bucket(here).listed()
    broken = environment.source / "dags" / "broken.py"
    broken.write_text(BROKEN)
    with pytest.raises(Exception, match="this DAG file is broken") as refused:
        apply(here, environment.source)  # the check before the first write
    assert not isinstance(refused.value, Unverified)
    assert Bucket(here).listed() == before
    with pytest.raises(Unverified, match=r"(?s)broken\.py can't be imported.*It was taken back") as caught:
        apply(here, environment.source, How(skip=(DAG_IMPORTS,)))
    broken.unlink()
    assert Bucket(here).listed() == before
    assert caught.value.applied.taken_back
    assert looking.status(here).good


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_back_across_a_requirements_change(environment: LocalEnvironment, here: Environment) -> None:
    requirements = environment.source / "requirements.txt"
    first = pinned(here)
    placed = environment.layout.airflow_home / "requirements" / "requirements.txt"
    requirements.write_text(requirements.read_text() + "# another environment\n")
    done = apply(here, environment.source)
    assert done.plan.update
    assert done.plan.update.files == ("requirements.txt",)
    assert pinned(here) == done.record.pins["requirements.txt"] != first
    assert "# another environment" in placed.read_text()
    back: Applied = rollback(here)
    assert pinned(here) == first
    assert "# another environment" not in placed.read_text()
    assert back.verdict
    assert back.verdict.good


def pinned(environment: Environment) -> Any:
    found = environment.client("mwaa").get_environment(Name=environment.mwaa)["Environment"]
    return found["RequirementsS3ObjectVersion"]


def test_a_run_is_started_and_followed(environment: LocalEnvironment, here: Environment) -> None:
    conf = json.dumps({"select": QUICK, "full_refresh": True})
    run = cli(environment, "trigger", TRANSFORM, "--conf", conf, "--unpause", "--format", "json")
    out, said = run.communicate()
    assert run.returncode == 0, said
    data = json.loads(out)
    assert data["state"] == "success"
    assert {task["state"] for task in data["tasks"]} == {"success", "skipped"}
    waited = cli(environment, "wait", TRANSFORM, data["run_id"])
    assert waited.communicate()[0].startswith(f"{TRANSFORM} {data['run_id']}: success")
    refused = cli(environment, "trigger", TRANSFORM, "--conf", '{"nonsense": 1}')
    assert refused.wait() == 1
