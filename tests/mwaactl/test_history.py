"""mwaactl history: an environment's bucket, read and printed."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mwaactl import environments, history
from mwaactl.cli import main
from mwaactl.environments import Environment
from mwaactl.local import aws
from mwaactl.local.layout import REGION
from tests.mwaa_dbt.history.conftest import Store, moto, store
from tests.mwaa_dbt.history.made import tried
from tests.mwaa_dbt.history.test_reading import put

__all__ = ["moto", "store"]


@pytest.fixture
def filled(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Store:
    """An environment `prod` with a history."""
    url = f"http://127.0.0.1:{store.port}"
    prod = Environment("prod", "prod", store.place.bucket, REGION, aws.ACCOUNT, "prod", endpoints={"": url})
    monkeypatch.setattr(environments, "read", lambda *_: prod)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    put(
        store,
        tried(store.place, "model.p.fct_orders", 0),
        tried(store.place, "model.p.slow", 5, 300, "error", message="Oh"),
    )
    return store


def ask(*arguments: str) -> Any:
    done = CliRunner().invoke(main, ["history", "-e", "prod", "--format", "json", *arguments])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_runs_nodes_failures_costs(filled: Store) -> None:
    (run,) = ask()
    assert (run["dag_id"], run["results"], run["failed"]) == ("d", 2, 1)
    assert [one["status"] for one in ask("fct_orders")] == ["success"]
    assert [(one["name"], one["message"]) for one in ask("--failed")] == [("slow", "Oh")]
    assert [one["name"] for one in ask("--slowest")] == ["slow", "fct_orders"]
    assert ask("fct_orders", "--since", "2026-11-02") == []
    text = CliRunner().invoke(main, ["history", "-e", "prod", "slow"])
    assert "error" in text.stdout
    assert "2026-11-01 06:00:05" in text.stdout


def test_an_unknown_node_a_wrong_moment_and_a_missing_bucket_are_said_in_words(filled: Store) -> None:
    done = CliRunner().invoke(main, ["history", "-e", "prod", "fct_order"])
    assert done.exit_code == 1
    assert "Did you mean fct_orders" in done.output
    done = CliRunner().invoke(main, ["history", "-e", "prod", "--since", "yesterday"])
    assert "--since yesterday is no moment" in done.output
    for arguments in (("--slowest", "--failed"), ("--slowest", "fct_orders")):
        done = CliRunner().invoke(main, ["history", "-e", "prod", *arguments])
        assert (done.exit_code, "--slowest" in done.output) == (2, True)
    for key in filled.keys(""):
        filled.s3.delete_object(Bucket=filled.place.bucket, Key=key)
    filled.s3.delete_bucket(Bucket=filled.place.bucket)
    done = CliRunner().invoke(main, ["history", "-e", "prod"])
    assert done.exit_code == 1
    assert "can't be read" in done.output


def test_moments_and_places() -> None:
    assert history.since("36h", 200_000) == 200_000 - 36 * 3600
    assert history.since("2026-11-01") == 1793491200
    assert history.since("999999999w") == history.since("0001-01-01") == 0
    with pytest.raises(ValueError, match="Invalid isoformat"):
        history.since("soon")
    prod = Environment("prod", "prod", "b-prod", REGION, aws.ACCOUNT, "prod", prefix="mwaa")
    assert str(history.place_of(prod)) == "s3://b-prod/mwaa/mwaactl/history/"
    moved = Environment("x", "x", "b-x", REGION, aws.ACCOUNT, "x", options={"mwaa_dbt.bucket": "another"})
    assert str(history.place_of(moved)) == "s3://another/mwaactl/history/"
