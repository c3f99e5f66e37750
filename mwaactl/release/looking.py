"""status, history and verify: what is there now. Writes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mwaactl.environments import Environment
from mwaactl.errors import Problem
from mwaactl.release import differences, pointer, record, show, target, verifying
from mwaactl.release.objects import Bucket
from mwaactl.release.pointer import State
from mwaactl.release.record import Record
from mwaactl.release.steps import Steps
from mwaactl.release.verifying import Verdict


@dataclass(frozen=True)
class Status:
    """What there is: the pointer, the record it points to, MWAA's state, and what differs from the record."""

    state: State
    record: Record | None
    mwaa: str
    airflow: str
    differences: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether a release is in force, whole and alone."""
        whole = self.state.unfinished is None and not self.differences
        return self.record is not None and whole and self.mwaa in ("AVAILABLE", "UPDATE_FAILED")

    def lines(self) -> list[str]:
        """Return it in words."""
        found = [f"environment  {self.mwaa}, Airflow {self.airflow}"]
        if self.state.held:
            found.append(f"being changed: {self.state.holder()}")
        elif self.state.unfinished:
            found.append(f"{self.state.unfinished} was interrupted: apply again to finish it, or rollback")
        verified = self.record.verified if self.record else None
        if verified:
            found.append(f"verified     {verified['at']}: {'it ran' if verified['good'] else 'it did not run'}")
        return [*found, *self.differences]

    def as_data(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "good": self.good,
            "release": self.record and show.record_data(self.record, self.state.release),
            "unfinished": self.state.unfinished,
            "held": self.state.lease if self.state.held else None,
            "environment": self.mwaa,
            "airflow": self.airflow,
            "differences": list(self.differences),
        }


def _current(environment: Environment) -> tuple[State, Record | None]:
    s3 = environment.client("s3")
    state = pointer.read(s3, environment)
    return state, record.read(s3, environment, state.release) if state.release else None


def status(environment: Environment) -> Status:
    """Return what there is now. Raises Problem when AWS can't be asked."""
    described = target.describe(environment)
    state, current = _current(environment)
    found: tuple[str, ...] = ()
    if current:
        objects = differences.of_objects(Bucket(environment), current, ())
        found = (*objects, *differences.of_environment(environment, current))
    return Status(state, current, described["Status"], str(described.get("AirflowVersion", "")), found)


def history(environment: Environment, last: int) -> tuple[str | None, Sequence[Record]]:
    """Return the id of the release in force and the `last` records, newest first."""
    s3 = environment.client("s3")
    state = pointer.read(s3, environment)
    # From each release to the one before: a record that its apply wrote but died on isn't among them.
    found: list[Record] = []
    following = state.release
    while following and len(found) < last:
        found.append(record.read(s3, environment, following))
        following = found[-1].previous
    return state.release, found


def verify(environment: Environment, steps: Steps) -> tuple[Record, Verdict]:
    """Return the release in force and the verdict on it, every object read again. Raises Problem when there is none."""
    _, current = _current(environment)
    if current is None:
        raise Problem(f"{environment.name} has no release yet.", "Apply one.")
    return current, verifying.verify(environment, current, steps)
