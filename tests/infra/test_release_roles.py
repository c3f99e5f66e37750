"""`mwaactl release`, run whole with the roles of infra/: planned, applied, taken back."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mwaactl import release
from mwaactl.environments import Environment
from mwaactl.errors import Problem
from mwaactl.release.how import DAG_IMPORTS, How
from tests.infra import stacks
from tests.infra.conftest import BUCKET, Roles
from tests.mwaactl.release.conftest import FILES
from tests.mwaactl.release.mwaa import Mwaa, serving

#: Airflow isn't the matter here, and the project is none.
HOW = How(skip=(DAG_IMPORTS, "manifests"), pause=0.0, show=lambda steps: None)


@dataclass
class Place:
    """The environment, a project for it, and a way to become another role."""

    environment: Environment
    source: Path
    roles: Roles
    monkeypatch: pytest.MonkeyPatch

    def be(self, credentials: dict[str, Any]) -> None:
        """From now on mwaactl runs with these credentials, as after a login."""
        for name, value in self.roles.aws.environment(credentials).items():
            self.monkeypatch.setenv(name, value)

    def write(self, name: str, text: str) -> None:
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def place(roles: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    for name in ("updates.INTERVAL", "verifying.INTERVAL", "rest.SECONDS_BETWEEN"):
        monkeypatch.setattr(f"mwaactl.release.{name}", 0.05)
    empty(roles)
    # MWAA itself reads the bucket with the execution role.
    mwaa = Mwaa(roles.aws.client("s3", roles.execution), BUCKET, "flights-stage")
    with serving(mwaa) as url:
        endpoints = {"": roles.aws.url, "mwaa": url}
        environment = Environment(
            "stage", "flights-stage", BUCKET, stacks.REGION, stacks.ACCOUNT, "stage", endpoints=endpoints
        )
        found = Place(environment, tmp_path / "project", roles, monkeypatch)
        for name, text in FILES.items():
            found.write(name, text)
        yield found


def empty(roles: Roles) -> None:
    """Remove every version from the bucket, which no role may."""
    roles.aws.relax()
    s3 = roles.aws.client("s3")
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=BUCKET):
        for one in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]:
            s3.delete_object(Bucket=BUCKET, Key=one["Key"], VersionId=one["VersionId"])
    roles.aws.enforce()


def test_deploy_applies_and_takes_back_and_plan_looks_at_it(place: Place) -> None:
    place.be(place.roles.deploy)
    first = release.apply(place.environment, place.source, HOW).record
    place.write("dags/two.py", "# changed\n")
    place.write("requirements.txt", "a==2\n")
    (place.source / "dags/one.py").unlink()

    place.be(place.roles.plan)
    plan = release.plan(place.environment, place.source)
    assert (plan.changed, plan.removed) == (("dags/two.py", "requirements.txt"), ("dags/one.py",))
    assert plan.update
    assert plan.update.files == ("requirements.txt",)

    place.be(place.roles.deploy)
    second = release.apply(place.environment, place.source, HOW).record
    assert "dags/one.py" not in second.files
    back = release.rollback(place.environment, first.release, HOW).record
    assert {path: one.sha256 for path, one in back.files.items()} == {
        path: one.sha256 for path, one in first.files.items()
    }
    assert back.pins["requirements.txt"] == first.pins["requirements.txt"]


def test_plan_and_execution_release_nothing(place: Place) -> None:
    for credentials in (place.roles.plan, place.roles.execution):
        place.be(credentials)
        with pytest.raises(Problem, match="No permission: s3:PutObject"):
            release.apply(place.environment, place.source, HOW)
    there = place.roles.aws.client("s3", place.roles.execution).list_object_versions(Bucket=BUCKET)
    assert "Versions" not in there
