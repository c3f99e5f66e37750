"""Keeps a web server's copy of history up to date, in the background, by one of the server's processes at a time."""

from __future__ import annotations

import fcntl
import logging
import threading
import time
from pathlib import Path
from typing import Any

from mwaa_dbt.history import s3, spool
from mwaa_dbt.history.index import Index
from mwaa_dbt.history.place import Place
from mwaa_dbt.history.sync import sync

log = logging.getLogger(__name__)

#: Seconds for which a copy is new enough, and a request waits for a newer one.
_FRESH, _PATIENCE = 15.0, 1.5


class Keeper:
    """The index at `path` of the history at `place`."""

    def __init__(self, place: Place, path: Path) -> None:
        self.index = Index(path)
        self.place = place
        self._lock_file = path.with_suffix(".lock")
        self._busy = threading.Lock()
        self._asked = -_FRESH  # never: a machine's clock may have just begun
        self._reading = ""
        self._trouble = ""

    @classmethod
    def of(cls, place: Place) -> Keeper:
        """Return the keeper of this machine's copy."""
        return cls(place, spool.folder(place, s3.endpoint()) / "index.db")

    def refresh(self) -> None:
        """Have the copy brought up to date if it isn't; wait a moment for it, but never longer."""
        if time.monotonic() - self._asked < _FRESH or not self._busy.acquire(blocking=False):
            return
        # Said from the start: until the first day is told, the bucket is listed, and nothing may be here yet.
        self._reading = "the bucket"
        done = threading.Event()
        threading.Thread(target=self._refresh, args=[done], name="history", daemon=True).start()
        done.wait(_PATIENCE)

    def _refresh(self, done: threading.Event) -> None:
        try:
            with self._lock_file.open("w") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:  # another process of this server is at it: the next request looks again
                    return
                sync(s3.client(), self.place, self.index, self._tell)
            self._done()
        except Exception as error:  # shown on the page
            self._done(f"{type(error).__name__}: {error}")
            log.exception("History can't be read from %s.", self.place)
        finally:
            self._busy.release()
            done.set()

    def _done(self, trouble: str = "") -> None:
        self._trouble, self._reading, self._asked = trouble, "", time.monotonic()

    def _tell(self, what: str) -> None:
        self._reading = what

    def status(self) -> dict[str, Any]:
        """Return where history comes from, how much is here, what is being read, and what went wrong last."""
        (counted,) = self.index.rows("select max(rowid) as results from results")
        (oldest,) = self.index.rows("select min(started) as oldest from results")
        return {
            "place": str(self.place),
            "results": counted["results"] or 0,
            "oldest": oldest["oldest"],
            "reading": self._reading,
            "trouble": self._trouble,
        }
