"""What reaches the bucket when all goes well, when S3 is away, and when a task dies."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from mwaa_dbt.history import courier, s3, spool
from mwaa_dbt.history.record import Try
from mwaa_dbt.history.recording import Recording

from tests.mwaa_dbt.history.conftest import Store

FACTS: dict[str, Any] = {
    "command": "run",
    "dag_id": "d",
    "run_id": "r",
    "task_id": "t",
    "try_number": 1,
    "release": None,
    "versions": {},
}


def recording(store: Store, try_id: str, *nodes: str) -> Recording:
    started = datetime(2026, 11, 21, 10, 30, tzinfo=UTC)
    tried = Try(store.place.result(started, "d", try_id), try_id, started, dict(FACTS), nodes or ("model.p.a",))
    return Recording(store.place, tried)


def spooled(store: Store) -> list[Path]:
    return sorted(spool.folder(store.place, s3.endpoint()).glob("*.jsonl"))


def test_a_result_is_one_object_of_its_day_and_leaves_nothing_on_the_worker(store: Store) -> None:
    with recording(store, "try-1"):
        assert len(spooled(store)) == 1
    assert store.keys("results/") == ["mwaactl/history/results/dt=2026-11-21/d/103000-try-1.jsonl"]
    (result,) = store.results()
    assert result["result_id"] == "try-1/model.p.a"
    assert result["key"] == store.keys("results/")[0]
    assert spooled(store) == []


def test_an_object_is_never_overwritten(store: Store) -> None:
    with recording(store, "try-1"):
        pass
    before = store.results()
    with pytest.raises(RuntimeError), recording(store, "try-1"):
        raise RuntimeError("another end of the same try")
    assert store.results() == before
    assert spooled(store) == []


def test_s3_away_the_run_goes_on_and_the_next_task_sends_what_was_kept(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    with recording(store, "try-1"):
        pass
    with store.down():
        for name in ("try-2", "try-3"):
            began = time.monotonic()
            with recording(store, name):
                pass
            assert time.monotonic() - began < 20, "short limits, one try"
    loud = [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]
    assert len(loud) == 2
    assert loud[0].startswith("HISTORY NOT WRITTEN to s3://")
    assert "try-2" in loud[0]
    assert len(spooled(store)) == 2
    with recording(store, "try-4"):
        time.sleep(2)  # dbt at work
    assert sorted(r["result_id"].partition("/")[0] for r in store.results()) == ["try-1", "try-2", "try-3", "try-4"]
    assert spooled(store) == []


@pytest.mark.parametrize("what", ["bucket", "credentials"])
def test_a_bucket_that_cant_be_written_is_named_and_nothing_is_lost(
    store: Store, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    if what == "bucket":
        store.s3.delete_bucket(Bucket=store.place.bucket)
        words = "S3 answered 404: NoSuchBucket"
    else:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
        words = "no AWS credentials were found"
    with recording(store, "try-1"):
        pass
    assert words in caplog.text
    assert "HISTORY NOT WRITTEN" in caplog.text
    (left,) = spooled(store)
    assert left.stat().st_mode & 0o077 == 0
    assert left.parent.stat().st_mode & 0o077 == 0


def test_where_nothing_can_be_kept_either_the_log_has_the_results(
    store: Store, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spool, "new", full)
    with recording(store, "try-1"):
        pass
    assert len(store.results()) == 1, "the bucket has it all the same"
    with store.down(), recording(store, "try-2"):
        pass
    assert "HISTORY LOST" in caplog.text
    assert '"result_id": "try-2/model.p.a"' in caplog.text


_DYING = """
import os, sys
from tests.mwaa_dbt.history.test_recording import recording
from tests.mwaa_dbt.history.conftest import Store
from mwaa_dbt.history.place import Place
with recording(Store(0, Place(sys.argv[1]), []), sys.argv[2]):
    print("at work", flush=True)
    sys.stdin.read()
"""


def dying(store: Store, try_id: str) -> subprocess.Popen[str]:
    task = subprocess.Popen(
        [sys.executable, "-c", _DYING, store.place.bucket, try_id],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert task.stdout is not None
    assert task.stdout.readline() == "at work\n"
    return task


def test_a_task_that_was_killed_without_notice_is_reported_by_the_next_one(store: Store) -> None:
    task = dying(store, "try-1")
    with recording(store, "try-2"):
        time.sleep(1)
    assert [r["status"] for r in store.results()] == ["no-op"], "a living task's file is left alone"
    task.send_signal(signal.SIGKILL)
    task.wait()
    with recording(store, "try-3"):
        time.sleep(1)
    by_try = {r["result_id"].partition("/")[0]: r for r in store.results()}
    assert by_try["try-1"]["status"] == "lost"
    assert "out of memory" in by_try["try-1"]["message"]
    assert len(store.results()) == 3
    assert spooled(store) == []


def test_a_killed_task_writes_what_is_known_even_if_dbt_doesnt_end(store: Store) -> None:
    with recording(store, "try-1") as one:
        one.killed()
        one.killed()
        deadline = time.monotonic() + 20
        while not store.keys("results/"):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    (result,) = store.results()
    assert result["status"] == "killed"


def test_what_dbt_had_finished_when_it_was_killed_stays_finished(store: Store, tmp_path: Path) -> None:
    (tmp_path / "run_results.json").write_text(
        '{"metadata": {}, "results": [{"unique_id": "model.p.a", "status": "success", "execution_time": 3},'
        ' {"unique_id": "test.p.b.1", "status": "error", "message": "interrupted", "execution_time": 1}]}'
    )
    with recording(store, "try-1") as one:
        one.killed()
        one.heard(tmp_path)
    assert [(r["node"], r["status"]) for r in store.results()] == [("model.p.a", "success"), ("test.p.b.1", "killed")]


def test_killed_during_the_end_changes_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    one = recording(store, "try-1")
    put = s3.Bucket.put

    def interrupted(self: s3.Bucket, *args: Any) -> bool:
        one.killed()  # as a signal's handler would
        return put(self, *args)

    monkeypatch.setattr(s3.Bucket, "put", interrupted)
    with one:
        pass
    assert [r["status"] for r in store.results()] == ["no-op"]


def test_two_workers_that_send_the_same_leftovers_send_them_once(store: Store) -> None:
    with store.down():
        for number in range(20):
            with recording(store, f"try-{number}"):
                pass
    folder = spool.folder(store.place, s3.endpoint())
    line = "import sys; from mwaa_dbt.history import courier, s3; from pathlib import Path; "
    line += "print(courier.send_leftovers(s3.Bucket(sys.argv[1]), Path(sys.argv[2]))[0])"
    both = [
        subprocess.Popen([sys.executable, "-c", line, store.place.bucket, str(folder)], stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    assert sum(int(one.communicate()[0]) for one in both) == 20
    assert len(store.results()) == 20


def test_a_damaged_file_is_set_aside_and_said(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    folder = spool.folder(store.place, s3.endpoint())
    (folder / "half.jsonl").write_bytes(b'{"key": "x", "sha256": "00"}\n{"half')
    with recording(store, "try-1"):
        time.sleep(1)
    assert "1 files of the spool" in caplog.text
    assert [p.name for p in folder.glob("*.damaged")] == ["half.damaged"]
    assert len(store.results()) == 1


def test_the_release_is_what_the_bucket_says(store: Store) -> None:
    store.s3.put_object(Bucket=store.place.bucket, Key="mwaactl/current.json", Body=b'{"release": "0042-abc"}')
    facts_of = recording(store, "try-1")
    with facts_of:
        pass
    assert store.results()[0]["release"] == "0042-abc"


def test_waiting_for_credentials_has_an_end(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(courier, "_WAIT_SECONDS", 0.3)

    class Slow(s3.Bucket):
        def __init__(self, *args: Any) -> None:
            time.sleep(1.5)
            super().__init__(*args)

    monkeypatch.setattr(s3, "Bucket", Slow)
    with recording(store, "try-1"):
        pass
    assert "not found in time" in caplog.text
    assert os.path.exists(spooled(store)[0])  # noqa: PTH110
