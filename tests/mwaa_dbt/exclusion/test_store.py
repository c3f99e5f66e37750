"""The lease in the bucket: conditional writes, and words for what goes wrong."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError
from mwaa_dbt.errors import ConfigurationError
from mwaa_dbt.exclusion.lease import Holder, Lease, Run, Waiter
from mwaa_dbt.exclusion.store import Store, check_name

FULL = Lease(7, Holder(Run("a", "r é"), "2026 0", 1.5, finished=True, ended=2.25), (Waiter(Run("b", "r"), 3.0, 4.0),))


def test_a_lease_comes_back_as_it_was_written(s3: Any) -> None:
    store = Store("flights")
    nothing = store.read()
    assert nothing.lease == Lease()
    assert store.write(FULL, nothing)
    assert store.read().lease == FULL
    assert s3.head_object(Bucket="landing", Key="team/mwaactl/locks/flights.json")


def test_of_many_that_write_at_once_one_wins(s3: Any) -> None:
    for round_ in range(2):
        stores = [Store("flights") for _ in range(8)]
        reads = [store.read() for store in stores]
        with ThreadPoolExecutor(8) as pool:
            won = list(
                pool.map(lambda i: stores[i].write(Lease(round_ * 10 + i), reads[i]), range(8))  # noqa: B023
            )
        assert won.count(True) == 1
        assert Store("flights").read().lease.turn == round_ * 10 + won.index(True)


def test_a_deleted_lease_isnt_overwritten_unseen(s3: Any) -> None:
    store = Store("flights")
    store.write(FULL, store.read())
    read = store.read()
    s3.delete_object(Bucket="landing", Key=store.key)
    assert not store.write(Lease(8), read)
    assert store.write(Lease(9), store.read())


@pytest.mark.parametrize("content", [b"", b"{}", b'{"turn": 1, "holder": 3, "waiting": []}', b"\xff", b"[]"])
def test_what_is_no_lease_is_said_and_kept(s3: Any, content: bytes) -> None:
    store = Store("flights")
    s3.put_object(Bucket="landing", Key=store.key, Body=content)
    with pytest.raises(ConfigurationError, match=r"s3://landing/team/mwaactl/locks/flights.json is no lease"):
        store.read()
    assert s3.get_object(Bucket="landing", Key=store.key)["Body"].read() == content


def test_a_wrong_bucket_is_a_configuration_error(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__BUCKET", "nowhere")
    with pytest.raises(ConfigurationError, match=r"NoSuchBucket.*\[mwaa_dbt\] bucket"):
        Store("flights").read()
    monkeypatch.delenv("AIRFLOW__MWAA_DBT__BUCKET")
    with pytest.raises(ConfigurationError, match=r"\[mwaa_dbt\] bucket is not set"):
        Store("flights")


def test_an_unreachable_bucket_passes_by(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(BotoCoreError):
        Store("flights").read()


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a b", ".hidden", "ä", "x" * 101, None])
def test_a_lock_needs_a_name_that_is_a_key(name: Any) -> None:
    with pytest.raises(ConfigurationError, match="name of a lock"):
        check_name(name)
