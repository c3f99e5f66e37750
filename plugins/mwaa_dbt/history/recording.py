"""What a task's operator does for history, at the cost of a few milliseconds and one PUT.

While dbt runs, a thread imports botocore, finds credentials, asks which release it is, and sends what earlier tasks on
this worker couldn't. When dbt has ended the task sends its own results: one try, with short limits. What can't be sent
is said in the task's log and waits in the spool. Nothing here changes a task's state.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from mwaa_dbt.history import courier, record, spool
from mwaa_dbt.history.place import Place
from mwaa_dbt.history.record import Try
from mwaa_dbt.history.spool import Letter, Slip

log = logging.getLogger(__name__)

#: Airflow kills a task that was asked to end after 5 s (airflow/sdk/execution_time/supervisor.py, `kill`): a result
#: that dbt hasn't given by then isn't waited for.
_PATIENCE_WHEN_KILLED = 2.5
_ENDED = "The task was ended from outside: marked, cleared, timed out, or its worker stopped."
_LOST = (
    "The task's process ended before dbt's result was known: killed without notice, out of memory, or the worker's end."
)


class Recording:
    """The results of one task try: begun before dbt, ended after it, whatever happened; a context manager.

    Args:
        place: where history lies.
        tried: what is known of the try.
        redact: replaces the secrets that Airflow knows in a text.
        clock: tells the time, with its zone.
    """

    def __init__(
        self,
        place: Place,
        tried: Try,
        redact: Callable[[str], str] = str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._try = tried
        self._place = place
        self._redact = redact
        self._clock = clock
        self._once = threading.Lock()
        self._done = threading.Event()
        self._killed = False
        self._said: list[dict[str, Any]] = []
        self._slip: Slip | None = None
        self._courier = courier.Courier(place)

    def __enter__(self) -> Recording:
        try:
            letter = self._letter([], (record.LOST, _LOST))
            self._slip = spool.new(self._courier.folder(), self._try.try_id, letter)
        except Exception as error:  # history must never keep dbt from running
            log.warning("History: nothing can be kept on this worker (%s); the bucket alone will have it.", error)
        self._courier.prepare()
        return self

    def heard(self, target_path: Path) -> None:
        """Take what dbt left in `target_path`."""
        self._said, metadata = record.said_in(target_path)
        if version := metadata.get("dbt_version"):
            self._try.facts["versions"]["dbt-core"] = str(version)

    def killed(self) -> None:
        """Take note that the task is being ended: what is known is kept now, and sent soon, with or without dbt."""
        if self._killed or self._once.locked():  # this may be a signal in the middle of the end
            return
        self._killed = True
        if self._slip is not None:
            with contextlib.suppress(Exception):  # then it is called lost
                self._slip.write(self._letter([], (record.KILLED, _ENDED)))
        timer = threading.Timer(_PATIENCE_WHEN_KILLED, self._finish, [None])
        timer.daemon = True
        timer.start()

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        self._finish(error)

    def _finish(self, error: BaseException | None) -> None:
        if not self._once.acquire(blocking=False):  # the other one of __exit__ and the timer
            self._done.wait(_PATIENCE_WHEN_KILLED)
            return
        try:
            said = self._said
            self._try.facts["release"] = self._courier.release()
            for one in said:
                one["message"] = self._redact(str(one.get("message") or ""))
                if one.get("compiled_code"):
                    one["compiled_code"] = self._redact(str(one["compiled_code"]))
            letter = self._letter(said, self._otherwise(error))
            kept = False
            if self._slip is not None:
                with contextlib.suppress(OSError):
                    self._slip.write(letter)
                    kept = True
            self._courier.deliver(letter, self._slip, kept=kept)
            self._courier.deliver_sql(record.compiled(said))
        except Exception:
            log.exception("History: the results of this try could not be recorded.")
        finally:
            self._done.set()

    def _otherwise(self, error: BaseException | None) -> tuple[str, str]:
        if self._killed:
            return record.KILLED, _ENDED
        if error is None:
            return ("success" if self._try.facts["command"] == "run-operation" else "no-op"), ""
        skipped = any(kind.__name__ == "AirflowSkipException" for kind in type(error).__mro__)
        return "skipped" if skipped else "error", self._redact(str(error)) or type(error).__name__

    def _letter(self, said: list[dict[str, Any]], otherwise: tuple[str, str]) -> Letter:
        results = self._try.results(said, self._clock(), otherwise, killed=self._killed)
        return Letter(self._try.key, record.dumps(results))
