"""The state of production in the bucket: what is published, when it is refused, and who wins."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from mwaa_dbt import state

PLACE = state.Place("bucket", "shop", "prod", prefix="team/")
KEY = "team/mwaactl/state/shop/prod/manifest.json"


def manifest(project: str = "shop", text: str = "") -> bytes:
    content = {"metadata": {"project_name": project, "text": text}, "nodes": {}, "macros": {}}
    return json.dumps(content).encode()


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")
        client.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        client.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
        release(client, "r1")
        yield client


def release(s3: Any, name: str | None, **more: Any) -> None:
    body = json.dumps({"release": name, **more}).encode()
    s3.put_object(Bucket="bucket", Key="team/mwaactl/current.json", Body=body)


def versions(s3: Any) -> int:
    return len(s3.list_object_versions(Bucket="bucket", Prefix=KEY)["Versions"])


def test_the_state_is_what_ran_last_and_each_release_keeps_its_own(s3: Any) -> None:
    assert state.read(s3, PLACE) is None
    first = state.publish(s3, PLACE, manifest(text="1"), "r1", run="shop_daily/manual")
    assert first == state.Published("r1", previous=None, changed=True)
    assert state.read(s3, PLACE) == state.State(manifest(text="1"), "r1")

    release(s3, "r2")
    assert state.publish(s3, PLACE, manifest(text="2"), "r2").previous == "r1"
    assert state.read(s3, PLACE) == state.State(manifest(text="2"), "r2")
    for name, text in (("r1", "1"), ("r2", "2")):
        copy = s3.get_object(Bucket="bucket", Key=f"team/mwaactl/state/shop/prod/releases/{name}.json.gz")
        assert gzip.decompress(copy["Body"].read()) == manifest(text=text)


def test_the_same_again_writes_nothing(s3: Any) -> None:
    state.publish(s3, PLACE, manifest(), "r1")
    assert not state.publish(s3, PLACE, manifest(), "r1").changed
    assert versions(s3) == 1


def test_back_to_an_earlier_release(s3: Any) -> None:
    state.publish(s3, PLACE, manifest(text="1"), "r1")
    release(s3, "r2")
    state.publish(s3, PLACE, manifest(text="2"), "r2")
    release(s3, "r1")
    assert state.publish(s3, PLACE, manifest(text="1"), "r1").changed
    assert state.read(s3, PLACE) == state.State(manifest(text="1"), "r1")


@pytest.mark.parametrize(
    ("pointer", "words"),
    [
        ({"name": "r2"}, "release r1, but r2 is in"),
        ({"name": None}, "no release is in"),
        ({"name": "r1", "unfinished": "r2"}, "r2 .* is unfinished"),
    ],
)
def test_a_run_of_another_release_proves_nothing(s3: Any, pointer: dict[str, Any], words: str) -> None:
    state.publish(s3, PLACE, manifest(text="1"), "r1")
    release(s3, **pointer)
    with pytest.raises(state.StateError, match=words):
        state.publish(s3, PLACE, manifest(text="late"), "r1")
    assert state.read(s3, PLACE) == state.State(manifest(text="1"), "r1")


class Meanwhile:
    """A client to whose bucket something happens between the look at the state and the write."""

    def __init__(self, s3: Any, happens: Callable[[], None]) -> None:
        self._s3, self._happens, self.happened = s3, happens, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._s3, name)

    def put_object(self, **arguments: Any) -> Any:
        if arguments["Key"] == KEY and not self.happened:
            self.happened = True
            self._happens()
        return self._s3.put_object(**arguments)


@pytest.mark.parametrize("first", [True, False])
def test_of_two_that_publish_at_once_one_wins_and_the_other_is_told(s3: Any, first: bool) -> None:
    if not first:
        state.publish(s3, PLACE, manifest(text="before"), "r1")
    slow = Meanwhile(s3, lambda: state.publish(s3, PLACE, manifest(text="quick"), "r1") and None)
    with pytest.raises(state.StateError, match="Somebody else published"):
        state.publish(slow, PLACE, manifest(text="slow"), "r1")
    assert slow.happened
    assert state.read(s3, PLACE) == state.State(manifest(text="quick"), "r1")


def test_a_state_that_is_gone_meanwhile_is_told(s3: Any) -> None:
    state.publish(s3, PLACE, manifest(text="before"), "r1")
    slow = Meanwhile(s3, lambda: s3.delete_object(Bucket="bucket", Key=KEY) and None)
    with pytest.raises(state.StateError, match="Somebody else published"):
        state.publish(slow, PLACE, manifest(text="slow"), "r1")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "no manifest.json"),
        (b"[]", "no manifest.json"),
        (b'{"metadata": {"project_name": "shop"}, "nodes": {}}', "render manifest"),
        (manifest("other"), "'other', not 'shop'"),
    ],
)
def test_what_is_no_manifest_of_the_project_is_refused(s3: Any, content: bytes, words: str) -> None:
    with pytest.raises(state.StateError, match=words):
        state.publish(s3, PLACE, content, "r1")
    assert s3.list_objects_v2(Bucket="bucket", Prefix="team/mwaactl/state/")["KeyCount"] == 0


def test_a_name_leads_to_no_other_folder(s3: Any) -> None:
    for project in ("", "..", "a/b", ".hidden"):
        with pytest.raises(state.StateError):
            state.Place("bucket", project, "prod")
    release(s3, "../r1")
    with pytest.raises(state.StateError):
        state.released(s3, PLACE)


def test_a_damaged_pointer_is_said(s3: Any) -> None:
    s3.put_object(Bucket="bucket", Key="team/mwaactl/current.json", Body=b"{}")
    with pytest.raises(state.StateError, match="names no release"):
        state.released(s3, PLACE)
    s3.delete_object(Bucket="bucket", Key="team/mwaactl/current.json")
    assert state.released(s3, PLACE) is None


def test_it_needs_no_airflow() -> None:
    line = "import sys, mwaa_dbt.state; print([m for m in ('airflow', 'cosmos', 'mwaactl') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
