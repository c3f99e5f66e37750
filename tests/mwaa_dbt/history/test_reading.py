"""From the bucket to answers: gathered days, the index, what people ask, the critical path."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mwaa_dbt.history import days, queries, record
from mwaa_dbt.history.critical_path import critical_path
from mwaa_dbt.history.index import Index
from mwaa_dbt.history.sync import sync

from tests.mwaa_dbt.history.conftest import Store
from tests.mwaa_dbt.history.made import START, tried

DAY = "2026-11-01"


def put(store: Store, *tries: tuple[str, list[dict[str, Any]]]) -> None:
    for key, results in tries:
        store.s3.put_object(Bucket=store.place.bucket, Key=key, Body=record.dumps(results))


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index(tmp_path / "index" / "history.db")


def count(index: Index) -> int:
    return int(index.rows("select count(*) as n from results")[0]["n"])


def test_a_day_is_gathered_once_and_again_when_something_came_late(store: Store, index: Index) -> None:
    put(store, *(tried(store.place, f"model.p.m{n}", n) for n in range(5)))
    assert days.gather(store.s3, store.place, DAY) == 5
    assert days.gather(store.s3, store.place, DAY) == 0
    put(store, tried(store.place, "model.p.late", 9))
    assert days.gather(store.s3, store.place, DAY) == 1
    lines, _ = days.read_day(store.s3, store.place, DAY)
    assert len(lines.splitlines()) == 6
    assert sync(store.s3, store.place, index) == 6
    assert sync(store.s3, store.place, index) == 0


def test_two_gather_the_same_day_at_once_and_nothing_is_lost(store: Store) -> None:
    put(store, *(tried(store.place, f"model.p.m{n}", n) for n in range(30)))
    threads = [threading.Thread(target=days.gather, args=(store.s3, store.place, DAY)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    days.gather(store.s3, store.place, DAY)
    assert len(days.read_day(store.s3, store.place, DAY)[0].splitlines()) == 30


def test_what_isnt_ours_is_left_out_and_said(store: Store, index: Index, caplog: pytest.LogCaptureFixture) -> None:
    put(store, tried(store.place, "model.p.a", 0))
    for name, body in (("half", b'{"key": "x", "result'), ("list", b"[1]\n"), ("other", b'{"key": "another"}\n')):
        key = f"{store.place.results}dt={DAY}/d/{name}.jsonl"
        store.s3.put_object(Bucket=store.place.bucket, Key=key, Body=body)
    assert sync(store.s3, store.place, index) == 1
    assert "3 lines in the bucket are no results of ours" in caplog.text
    assert days.gather(store.s3, store.place, DAY) == 1
    assert f"dt={DAY}/d/half.jsonl is no result of ours" in caplog.text
    assert days.gather(store.s3, store.place, DAY) == 0
    assert len(days.read_day(store.s3, store.place, DAY)[0].splitlines()) == 1


def test_every_result_is_read_once_wherever_it_lies(store: Store, index: Index) -> None:
    today = datetime.now(UTC) - timedelta(hours=1)
    put(store, *(tried(store.place, f"model.p.m{n}", n, day=today) for n in range(3)))
    put(store, *(tried(store.place, f"model.p.m{n}", n, run="old", day=START - timedelta(days=90)) for n in range(3)))
    assert sync(store.s3, store.place, index) == 6, "no day was gathered yet"
    assert days.gather_all(store.s3, store.place)
    put(store, tried(store.place, "model.p.m9", 9, day=today))
    assert sync(store.s3, store.place, index) == 1
    assert count(index) == 7


def test_what_is_gathered_isnt_listed_again(store: Store, index: Index) -> None:
    put(store, tried(store.place, "model.p.a", 0, day=START - timedelta(days=300)))
    days.gather_all(store.s3, store.place)
    asked: list[str] = []
    store_s3 = store.s3
    store_s3.meta.events.register("before-call.s3", lambda model, params, **_: asked.append(params["url_path"]))
    assert sync(store_s3, store.place, index) == 1
    before = len(asked)
    assert sync(store_s3, store.place, index) == 0
    recent = days.LATE_DAYS + 1
    assert len(asked) - before <= 2 + recent


def test_what_came_while_nobody_gathered_is_found(store: Store, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day that was gathered once and then no more, for longer than results may be late."""
    today = datetime.now(UTC)
    put(store, tried(store.place, "model.p.a", 0, day=today))
    days.gather_all(store.s3, store.place)
    put(store, tried(store.place, "model.p.late", 9, day=today))
    monkeypatch.setattr(days, "recent", lambda: [])
    assert sync(store.s3, store.place, index) == 2
    assert sum(days.gather_all(store.s3, store.place).values()) == 1
    assert len(days.read_day(store.s3, store.place, str(today.date()))[0].splitlines()) == 2


def test_a_day_is_complete_when_it_was_written_after_the_last_late_result(store: Store) -> None:
    def written(day: int, hour: int = 0) -> bool:
        return days.Gathered(DAY, "e", datetime(2026, 11, day, hour, tzinfo=UTC)).complete

    assert (written(2), written(7, 23), written(8)) == (False, False, True)
    assert DAY in days.recent(datetime(2026, 11, 7, 23, tzinfo=UTC))
    assert DAY not in days.recent(datetime(2026, 11, 8, tzinfo=UTC))
    # Nothing is missing, and yet it is written: or it would be looked at for ever.
    put(store, tried(store.place, "model.p.a", 0))
    assert days.gather(store.s3, store.place, DAY) == 1
    (before,) = days.gathered(store.s3, store.place).values()
    assert before.complete
    wrote: list[str] = []
    s3 = store.s3
    s3.meta.events.register("before-call.s3.PutObject", lambda model, params, **_: wrote.append(params["url_path"]))
    assert days.gather(s3, store.place, DAY) == 0
    assert not wrote
    assert days.gather(s3, store.place, DAY, close=True) == 0
    assert len(wrote) == 1
    (after,) = days.gathered(store.s3, store.place).values()
    assert after.etag == before.etag, "the page needn't read it again"


def loaded(index: Index, store: Store, *tries: tuple[str, list[dict[str, Any]]]) -> None:
    index.add(b"".join(record.dumps(results) for _, results in tries))


def test_a_retried_write_in_both_places_counts_once(store: Store, index: Index) -> None:
    one = tried(store.place, "model.p.a", 0)
    loaded(index, store, one, one)
    loaded(index, store, one)
    assert count(index) == 1
    assert queries.recent_runs(index)[0]["results"] == 1
    assert queries.slowest(index)[0]["results"] == 1


def test_a_node_that_is_gone_keeps_its_past_and_near_names_are_offered(store: Store, index: Index) -> None:
    loaded(index, store, tried(store.place, "model.p.fct_orders_old", 0, run="r0"))
    loaded(index, store, tried(store.place, "model.p.fct_orders", 500, run="r9"))
    assert queries.resolve(index, "fct_orders_old") == ["model.p.fct_orders_old"]
    found = queries.results(index, ["model.p.fct_orders_old"])
    assert [(one["run_id"], one["status"]) for one in found] == [("r0", "success")]
    with pytest.raises(queries.UnknownNodeError) as error:
        queries.resolve(index, "fct_ordres")
    assert error.value.near[0] == "fct_orders"


def test_failures_tests_and_costs(store: Store, index: Index) -> None:
    loaded(
        index,
        store,
        tried(store.place, "model.p.a", 0, 60),
        tried(store.place, "model.p.b", 0, 5, "error", message="Binder Error"),
        tried(store.place, "test.p.t.1", 70, 4, "fail", command="test", failures=3, message="Got 3 results"),
        tried(store.place, "test.p.t.1", 170, 4, "pass", command="test", run="r2"),
        tried(store.place, "test.p.u.1", 180, 4, "fail", command="test", run="r2", failures=1),
        tried(store.place, "model.p.c", 190, 4, "killed", run="r2", dag="other"),
    )
    assert [one["node"] for one in queries.results(index, failed=True)] == [
        "model.p.c",
        "test.p.u.1",
        "test.p.t.1",
        "model.p.b",
    ]
    tests = {one["name"]: one for one in queries.failing_tests(index)}
    assert (tests["t"]["failing"], tests["u"]["failing"]) == (False, True)
    assert tests["t"]["last_passed"] > tests["t"]["last_failed"]
    (first, *_) = queries.slowest(index)
    assert (first["name"], first["worker_seconds"], first["mean_seconds"]) == ("a", 60, 30)
    runs = {(one["dag_id"], one["run_id"]): one for one in queries.recent_runs(index)}
    assert (runs["d", "r1"]["results"], runs["d", "r1"]["failed"], runs["d", "r1"]["tests_failed"]) == (3, 2, 1)
    # Somebody who may see one DAG only
    assert {one["dag_id"] for one in queries.recent_runs(index, {"other"})} == {"other"}
    assert [one["name"] for one in queries.slowest(index, {"other"})] == ["c"]
    assert [one["name"] for one in queries.results(index, dags={"other"})] == ["c"]
    assert [one["name"] for one in queries.search(index, "", {"other"})] == ["c"]
    assert queries.failing_tests(index, {"other"}) == []


def test_a_run_that_a_later_try_saved_has_no_failures(store: Store, index: Index) -> None:
    failed = ("model.p.a", 0, 10, "error")
    loaded(index, store, tried(store.place, *failed), tried(store.place, "test.p.t.1", 0, 4, "fail", command="test"))

    def run() -> tuple[int, int, int]:
        (one,) = queries.recent_runs(index)
        return one["results"], one["failed"], one["tests_failed"]

    assert run() == (2, 2, 1)
    # The later try may be read first, and a run that is made again begins its numbers anew.
    loaded(index, store, tried(store.place, "model.p.a", 20, 10, number=2))
    assert run() == (3, 1, 1)
    loaded(index, store, tried(store.place, "model.p.a", 10, 5, "error", number=3))
    assert run() == (4, 1, 1)
    loaded(index, store, tried(store.place, "test.p.t.1", 90, 4, "pass", command="test", number=2))
    assert run() == (5, 0, 0)
    assert len(queries.results(index, failed=True)) == 3


def test_the_critical_path_follows_dependencies_tests_and_tries(store: Store, index: Index) -> None:
    loaded(
        index,
        store,
        tried(store.place, "model.p.a", 0, 10),
        tried(store.place, "model.p.quick", 0, 2),
        tried(store.place, "test.p.a_ok.1", 11, 20, "pass", command="test", about="model.p.a"),
        tried(store.place, "model.p.b", 32, 5, "error", depends_on=("model.p.a", "model.p.quick"), number=1),
        tried(store.place, "model.p.unrelated", 3, 36),
        tried(store.place, "model.p.b", 42, 5, depends_on=("model.p.a", "model.p.quick"), number=2),
    )
    tries = queries.run_tries(index, "d", "r1")
    by_id = {one["id"]: (one["task_id"], one["try_number"]) for one in tries}
    assert [by_id[one] for one in critical_path(tries)] == [("a.run", 1), ("a_ok.test", 1), ("b.run", 1), ("b.run", 2)]
    assert critical_path([]) == []
