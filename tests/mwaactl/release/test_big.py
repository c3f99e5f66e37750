"""A project of 5,000 files with one change: planned within seconds, one upload."""

import threading
import time
from typing import Any

import pytest
from moto import mock_aws

from mwaactl import release
from tests.mwaactl.release.conftest import BUCKET, PUBLIC, Place
from tests.mwaactl.release.killing import Calls, Watched

FILES = 5000
SECONDS = 5.0


@pytest.mark.timeout(600)
def test_one_change_in_5000_files(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    one_at_a_time(monkeypatch)
    folder = place.source / "dbt/shop/models/many"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"m{number}.sql").write_text(f"select {number} as id -- {'x' * 200}\n")
    place.build()
    with mock_aws():  # in this process: HTTP to a Python server would be what is measured
        place.s3 = place.mwaa.s3 = Watched.of(without_s3_endpoint(place), Calls()).client("s3")
        place.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        place.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        place.s3.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration=PUBLIC)
        place.environment = without_s3_endpoint(place)
        place.apply(verify=False, skip=("secrets",))
        place.write("dags/helper.py", "X = 2\n")

        began, cpu = time.monotonic(), time.process_time()
        plan = release.plan(place.environment, place.source)
        took, work = time.monotonic() - began, time.process_time() - cpu
        assert plan.changed == plan.uploads == ("dags/helper.py",)
        assert plan.removed == plan.drifted == ()
        assert plan.update is None
        assert min(took, work) < SECONDS, f"{took:.1f} s, {work:.1f} s of them work"

        calls = Calls()
        place.environment = Watched.of(place.environment, calls)
        place.apply(verify=False)
        assert [path for _, path in calls.made if "/dags/" in path] == ["/dags/helper.py"]  # the host is the bucket


def one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let moto answer one call at a time: in the caller's process it reloads a module of its own for each."""
    from moto.core.botocore_stubber import BotocoreStubber

    lock, answer = threading.Lock(), BotocoreStubber.process_request

    def locked(self: Any, request: Any) -> Any:
        with lock:
            return answer(self, request)

    monkeypatch.setattr(BotocoreStubber, "process_request", locked)


def without_s3_endpoint(place: Place):  # type: ignore[no-untyped-def]
    """Return the environment with AWS's own addresses, which mock_aws answers."""
    import dataclasses

    return dataclasses.replace(place.environment, endpoints={"mwaa": place.environment.endpoints["mwaa"]})
