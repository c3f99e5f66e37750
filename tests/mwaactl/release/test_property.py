"""Whatever happens on the way: in the end the bucket holds exactly one release's files."""

import dataclasses
import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mwaactl.errors import Problem
from mwaactl.release import looking, pointer, record
from tests.mwaactl.release.conftest import Place
from tests.mwaactl.release.killing import Calls, Killed, Watched

FILES = ("dags/one.py", "dags/helper.py", "dags/extra.py", "dbt/shop/models/a.sql", "dbt/shop/models/x/a.sql",
         "requirements.txt")  # fmt: skip
edits = st.tuples(st.just("edit"), st.sampled_from(FILES), st.integers(0, 3))
removals = st.tuples(st.just("remove"), st.sampled_from([name for name in FILES if name != "requirements.txt"]))
strays = st.tuples(st.just("stray"), st.sampled_from(("dags/one.py", "dags/stray.py")))
ends = st.tuples(st.sampled_from(("apply", "rollback")))
kills = st.tuples(st.sampled_from(("kill apply", "kill rollback")), st.integers(1, 9))
numbers = itertools.count()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(edits, removals, strays, ends, kills, kills), min_size=2, max_size=7))
def test_the_bucket_holds_exactly_one_release(place: Place, events: list[Any]) -> None:
    prefix = f"p{next(numbers)}"
    whole = dataclasses.replace(place.environment, prefix=prefix)
    place.mwaa.environment.update(DagS3Path=f"{prefix}/dags", Status="AVAILABLE", AirflowConfigurationOptions={})
    for field in ("Plugins", "Requirements", "StartupScript"):
        place.mwaa.environment.pop(f"{field}S3ObjectVersion", None)
    here = Place(whole, place.mwaa, place.s3, place.source)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pointer, "_left_behind", lambda lease: True)
        here.apply(verify=False)
        for event in events:
            happens(here, *event)
            in_force_is_on_record(here)
        here.apply(verify=False)
        exactly_one(here)


def happens(place: Place, what: str, *more: Any) -> None:
    if what == "edit":
        place.write(more[0], f"x = {more[1]}\n")
        place.build()
    elif what == "remove":
        (place.source / more[0]).unlink(missing_ok=True)
        place.build()
    elif what == "stray":
        key = place.environment.key(more[0])
        place.s3.put_object(Bucket=place.environment.bucket, Key=key, Body=b"by hand")
    else:
        dies = what.startswith("kill")
        environment = place.environment
        place.environment = Watched.of(environment, Calls(more[0] if dies else None))
        try:
            place.rollback(verify=False) if what.endswith("rollback") else place.apply(verify=False)
        except Killed:
            assert dies
        except Problem as problem:
            if "is the first release" not in problem.what:
                raise
        else:
            exactly_one(place)
        finally:
            place.environment = environment
        place.mwaa.finish()


def in_force_is_on_record(place: Place) -> None:
    state = pointer.read(place.s3, place.environment)
    assert state.release
    record.read(place.s3, place.environment, state.release)


def exactly_one(place: Place) -> None:
    state = pointer.read(place.s3, place.environment)
    assert state.release
    assert state.unfinished is None
    there = record.read(place.s3, place.environment, state.release)
    assert place.listed().keys() == there.files.keys()
    found = looking.status(place.environment)
    assert found.good, found.lines()
