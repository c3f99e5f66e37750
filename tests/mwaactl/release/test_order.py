"""What containers may see in the middle of an apply, and who may apply at the same time."""

import threading
import time

import pytest

from mwaactl.errors import Problem
from mwaactl.release import pointer, stages
from mwaactl.release.lease import Lease
from tests.mwaactl.release.conftest import Place
from tests.mwaactl.release.killing import Calls, Watched
from tests.mwaactl.release.test_kill import change, holds_exactly


def watched(place: Place, **how: float) -> list[tuple[str, str]]:
    """Apply and return the changing calls on the bucket: (method, path below the bucket)."""
    calls = Calls()
    environment, place.environment = place.environment, Watched.of(place.environment, calls)
    try:
        place.apply(**how)
    finally:
        place.environment = environment
    prefix = f"/{environment.bucket}/"
    return [(method, path.removeprefix(prefix)) for method, path in calls.made if path.startswith(prefix)]


def test_stages_follow_each_other_and_removals_are_last(place: Place) -> None:
    place.apply()
    change(place)
    calls = watched(place)
    assert calls[0] == ("PUT", pointer.PATH)
    assert calls[-2] == ("PUT", pointer.PATH)  # after it only the verdict is put on record
    files = [(method, path) for method, path in calls if not path.startswith("mwaactl/")]
    written = [path for method, path in files if method == "PUT"]
    order = [stages.stage_of(path, (place.listed())[path]) for path in written]
    assert order == sorted(order)
    assert set(order) == {stages.ENVIRONMENT, stages.PROJECT, stages.MANIFEST, stages.SUPPORT, stages.DAG}
    # A DAG goes before what it reads.
    assert files[len(written) :] == [("DELETE", "dags/two.py"), ("DELETE", "dags/dbt/shop/models/b.sql")]


def test_a_moved_model_is_cleared_with_its_stage(place: Place) -> None:
    place.apply()
    place.write("dbt/shop/models/marts/a.sql", "select 1")
    (place.source / "dbt/shop/models/a.sql").unlink()
    place.build()
    files = [call for call in watched(place) if not call[1].startswith("mwaactl/")]
    assert files == [
        ("PUT", "dags/dbt/shop/models/marts/a.sql"),
        ("DELETE", "dags/dbt/shop/models/a.sql"),
        ("PUT", "dags/dbt/shop/build/render_manifest.json"),
    ]


def test_every_container_has_a_stage_before_the_next_begins(place: Place) -> None:
    place.apply()
    place.write("dbt/shop/models/a.sql", "select 12")
    place.build()
    place.apply(pause=2.0)
    at = {
        path: place.s3.head_object(Bucket=place.environment.bucket, Key=path)["LastModified"].timestamp()
        for path in ("dags/dbt/shop/models/a.sql", "dags/dbt/shop/build/render_manifest.json")
    }
    first, second = at.values()
    assert second - first >= 1  # S3 tells whole seconds


def test_of_two_applies_at_once_one_wins_and_the_other_has_written_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.apply()
    change(place)
    both = threading.Barrier(2)
    take = Lease.take

    def together(self: Lease, before: pointer.State) -> None:
        both.wait(60)
        take(self, before)

    monkeypatch.setattr(Lease, "take", together)
    results: list[object] = []

    def one(number: int) -> None:
        try:
            results.append(place.apply())
        except Problem as problem:
            results.append(problem)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (loser,) = [one for one in results if isinstance(one, Problem)]
    (winner,) = [one for one in results if not isinstance(one, Problem)]
    assert "is being changed" in loser.what or "was changed meanwhile" in loser.what
    holds_exactly(place, winner.record.release)  # type: ignore[attr-defined]
    versions = place.s3.list_object_versions(Bucket=place.environment.bucket, Prefix="dags/one.py")["Versions"]
    assert len(versions) == 2  # of the release before, and of one of the two


def test_who_lost_the_lease_writes_nothing_more(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.apply()
    change(place)
    monkeypatch.setattr("mwaactl.release.lease.RENEW_SECONDS", 0.2)
    monkeypatch.setattr(pointer, "_left_behind", lambda lease: True)
    taken = threading.Event()

    def told(steps: list[dict[str, object]]) -> None:
        if any(step["name"] == "dbt projects" for step in steps) and not taken.is_set():
            taken.set()
            state = pointer.read(place.s3, place.environment)
            Lease(place.s3, place.environment, "other", "apply", "somebody").take(state)
            time.sleep(1)

    with pytest.raises(Problem, match="lost its lease"):
        place.apply(show=told)
    assert place.listed()["dags/helper.py"] == b"X = 1\n"
    assert pointer.read(place.s3, place.environment).release != "other"


def test_a_lease_is_renewed_while_it_lives(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mwaactl.release.lease.RENEW_SECONDS", 0.1)
    with Lease(place.s3, place.environment, "r1", "apply", "me") as lease:
        lease.take(pointer.read(place.s3, place.environment))
        time.sleep(1)
        state = pointer.read(place.s3, place.environment)
        assert state.lease
        assert state.lease["renewed"]
        assert state.held
        lease.check()
        lease.finish()
    assert pointer.read(place.s3, place.environment).release == "r1"
