"""Brings results to the bucket: from a task, and what earlier tasks on this worker had to leave behind."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from mwaa_dbt.history import s3, spool
from mwaa_dbt.history.place import Place
from mwaa_dbt.history.spool import Letter, Slip

log = logging.getLogger(__name__)

_LINES, _SQL = "application/jsonl", "application/sql"
#: Seconds that the background may spend on leftovers beside one task, and the task may wait for the background.
_LEFTOVERS_SECONDS, _WAIT_SECONDS = 20.0, 5.0
#: Seconds for which a worker believes to know the release.
_RELEASE_SECONDS = 60.0


class Courier:
    """One task's way to the bucket. Messages are logged by the task's own thread only."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._bucket: s3.Bucket | None = None
        self._ready = threading.Event()
        self._trouble = ""
        self._sent = self._damaged = 0
        self._stop = False

    def folder(self) -> Path:
        """Return the worker's spool. Raises OSError or UnservedError."""
        return spool.folder(self.place, s3.endpoint())

    def prepare(self) -> None:
        """Begin to get ready, in the background."""
        threading.Thread(target=self._prepare, name="history", daemon=True).start()

    def _prepare(self) -> None:
        try:
            bucket = s3.Bucket(self.place.bucket)
            self._ask_release(bucket)
            self._bucket = bucket
            self._ready.set()
            self._sent, self._damaged = send_leftovers(bucket, self.folder(), lambda: self._stop)
        except Exception as error:
            self._trouble = str(error) or type(error).__name__
        finally:
            self._ready.set()

    def _ask_release(self, bucket: s3.Bucket) -> None:
        note = self.folder() / "release.json"
        with contextlib.suppress(OSError):
            if time.time() - note.stat().st_mtime < _RELEASE_SECONDS:
                return
        try:
            content = bucket.get(self.place.pointer) or b"{}"
        except s3.UnwrittenError as error:
            if not error.status:
                raise
            if error.status != 403:  # S3 is busy: the next task asks again
                return
            content = b"{}"  # so S3 answers for what isn't there to a role without s3:ListBucket
        temporary = note.with_name(f".release-{os.getpid()}")
        temporary.write_bytes(content)
        temporary.replace(note)

    def release(self) -> str | None:
        """Return the id of the bucket's release as this worker knows it, None where there is none."""
        self._ready.wait(_WAIT_SECONDS)
        try:
            content = json.loads((self.folder() / "release.json").read_bytes())
            return str(content["release"]) if content.get("release") else None
        except Exception:  # not a release's bucket
            return None

    def deliver(self, letter: Letter, slip: Slip | None, *, kept: bool) -> None:
        """Send a task's own results; say loudly, and leave `slip` to others, if that can't be."""
        self._stop = True
        ready = self._ready.wait(_WAIT_SECONDS)
        trouble = self._trouble if ready else "AWS credentials were not found in time"
        if self._sent:
            log.info("History: %d results of earlier tasks, kept on this worker, are in the bucket now.", self._sent)
        if self._damaged:
            log.error("History: %d files of the spool %s are damaged (*.damaged).", self._damaged, self.folder())
        if not trouble and self._bucket is not None:
            try:
                self._bucket.put(letter.key, letter.body, _LINES)
                if slip is not None:
                    slip.remove()
                return
            except s3.UnwrittenError as error:
                trouble = str(error)
        if slip is not None and kept:
            slip.release()
            log.error(
                "HISTORY NOT WRITTEN to %s%s: %s. The results are kept on this worker (%s); the next task here that "
                "reaches the bucket sends them.",
                *(self.place, letter.key.removeprefix(self.place.prefix), trouble, slip.path),
            )
        else:
            # The log is the last place that keeps them.
            log.error("HISTORY LOST (%s), and nothing could be kept on this worker:\n%s", trouble, letter.body.decode())

    def deliver_sql(self, texts: dict[str, str]) -> None:
        """Send compiled SQL that this worker hasn't sent before. What fails is sent with the node's next run."""
        if self._bucket is None or self._trouble:
            return
        for digest, text in texts.items():
            mark = self.folder() / f"{digest[:32]}.sql-sent"
            if mark.exists():
                continue
            try:
                self._bucket.put(self.place.sql(digest), text.encode(), _SQL)
            except s3.UnwrittenError as error:
                log.warning("History: the compiled SQL could not be written: %s", error)
                return
            mark.touch()


def send_leftovers(bucket: s3.Bucket, folder: Path, stop: Callable[[], bool] = lambda: False) -> tuple[int, int]:
    """Send what lies in the spool and belongs to no living task; return how many were sent, and are damaged.

    Raises:
        UnwrittenError: if the bucket can't be written. What wasn't sent stays.
    """
    sent = damaged = 0
    deadline = time.monotonic() + _LEFTOVERS_SECONDS
    for slip in spool.leftovers(folder):
        try:
            if stop() or time.monotonic() > deadline:
                break
            letter = slip.read()
            bucket.put(letter.key, letter.body, _LINES)
            slip.remove()
            sent += 1
        except ValueError:
            slip.path.rename(slip.path.with_suffix(".damaged"))
            damaged += 1
        except s3.UnwrittenError as error:
            if error.passing:
                raise
        finally:
            slip.release()
    return sent, damaged
