"""mwaactl release, trigger and wait on the command line: what goes to stdout, and exit statuses."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mwaactl.cli import main
from tests.mwaactl.release.conftest import Place, moto_url, place, quick  # noqa: F401 - fixtures
from tests.mwaactl.release.test_runs import Airflow


@pytest.fixture
def cli(place: Place, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: F811
    monkeypatch.setattr("mwaactl.environments.read", lambda name, source: place.environment)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, [*arguments, "-e", "dev", "--source", str(place.source)])

    return run


def test_a_release_from_plan_to_rollback(cli: Any, place: Place) -> None:  # noqa: F811
    assert cli("release", "status").exit_code == 1
    plan = cli("release", "plan")
    assert "no release yet" in plan.stdout
    assert "The environment must be updated: plugins.zip, requirements.txt, startup.sh" in plan.stdout
    planned = json.loads(cli("release", "plan", "--format", "json").stdout)
    assert "dags/one.py" in planned["added"]
    assert planned["update"]["strategy"] == "FORCED"

    applied = cli("release", "apply", "--pause", "0", "--format", "json")
    assert applied.exit_code == 0, applied.output
    first = json.loads(applied.stdout)
    assert first["verified"]["good"]
    assert "Nothing to release" in cli("release", "apply").stdout
    assert cli("release", "verify").exit_code == 0
    status = json.loads(cli("release", "status", "--format", "json").stdout)
    assert (status["good"], status["release"]["release"]) == (True, first["release"])

    place.write("dags/helper.py", "X = 2\n")
    text = cli("release", "apply", "--pause", "0").stdout
    assert "~ dags/helper.py" in text
    assert "The environment needn't be updated" in text
    back = cli("release", "rollback", "--pause", "0", "--format", "json")
    assert json.loads(back.stdout)["restores"] == first["release"]
    history = json.loads(cli("release", "history", "--format", "json").stdout)
    assert [one["current"] for one in history] == [True, False, False]
    assert first["release"] in cli("release", "history").stdout


def test_a_release_that_does_not_run_ends_with_1(cli: Any, place: Place) -> None:  # noqa: F811
    cli("release", "apply", "--pause", "0")
    place.write("dags/one.py", "from airflow.sdk import DAG\nDAG('one')  # dag: one\nbroken\n")
    done = cli("release", "apply", "--pause", "0", "--format", "json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["taken_back"]
    assert "one.py can't be imported" in done.stderr
    assert cli("release", "status").exit_code == 0


def test_drift_is_a_status_of_1(cli: Any, place: Place) -> None:  # noqa: F811
    cli("release", "apply", "--pause", "0")
    place.s3.put_object(Bucket=place.environment.bucket, Key="dags/stray.py", Body=b"x")
    status = cli("release", "status")
    assert status.exit_code == 1
    assert "dags/stray.py is not of this release" in status.stdout
    verified = cli("release", "verify")
    assert verified.exit_code == 1
    assert "dags/stray.py is not of this release" in verified.stderr


def test_trigger_and_wait_end_as_the_run_does(cli: Any, place: Place) -> None:  # noqa: F811
    Airflow(place, ["success"])
    done = cli("trigger", "daily", "--conf", '{"select": "a"}', "--format", "json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["state"] == "success"
    airflow = Airflow(place, ["failed"])
    run_id = cli("trigger", "daily", "--no-wait").stdout.strip()
    assert airflow.run_id == run_id
    ended = cli("wait", "daily", run_id)
    assert ended.exit_code == 1
    assert "failed: t0" in ended.stderr
    assert cli("trigger", "daily", "--conf", "[1]").exit_code == 2
