"""The alerts' bucket is away, goes away, or refuses: what is known is told, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from mwaa_dbt.alerts import store as stores
from mwaa_dbt.alerts.store import Store

from tests.mwaa_dbt.alerts.support import RUN, Slack, end, fail
from tests.ports import free_port

Keys = Callable[[], list[str]]


def test_the_bucket_is_away(
    slack: Slack, bucket: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    fail("a")
    assert "bucket is away" in caplog.text
    assert f"run `{RUN}`" in slack.heads[0]
    end({"a": "failed", "killed": "failed", "b": "success"})
    assert f"run `{RUN}`" in slack.heads[1]
    assert "*failed*: 1 succeeded, 2 failed" in slack.heads[1]
    assert "Failed: model a, model killed" in slack.heads[1], "the killed task has no other word"
    end({"a": "success"}, run_id="green")
    assert "Nobody hears how this run ended: it succeeded" in caplog.text
    assert len(slack.messages) == 2


def test_what_cant_be_taken_out_of_the_bucket_is_told_once(
    slack: Slack, bucket: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """S3 refuses the keys of a batch one by one, in an answer that is a success otherwise."""
    call = Store._call

    def refused(self: Store, method: str, **arguments: Any) -> Any:
        errors = {"Errors": [{"Key": "k", "Code": "AccessDenied", "Message": "Access Denied"}]}
        return errors if method == "delete_objects" else call(self, method, **arguments)

    monkeypatch.setattr(Store, "_call", refused)
    fail("a")
    fail("b")
    assert len(slack.heads) == 1
    assert "can't be deleted: Access Denied" in caplog.text
    assert caplog.text.count("Alert sent") == 2, "once for each, not again and again"


def test_the_bucket_goes_away_after_the_end_is_kept(
    slack: Slack, keys: Keys, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object) -> None:
        raise stores.StoreError("away")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "claim", away)
        end({"a": "failed"})
        assert "told later" in caplog.text
        assert slack.messages == [], "or it would be told twice"
    end({"b": "success"}, run_id="later")
    assert any("1 failed" in head for head in slack.heads)
    assert not [key for key in keys() if "/outbox/" in key]
