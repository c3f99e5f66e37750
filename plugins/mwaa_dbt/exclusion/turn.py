"""Asks for a run's turn: reads the lease, asks Airflow about its holder, decides, writes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from mwaa_dbt import settings
from mwaa_dbt.errors import ConfigurationError, TurnRefused
from mwaa_dbt.exclusion import lease
from mwaa_dbt.exclusion.lease import Decision, Patience, Run
from mwaa_dbt.exclusion.store import Store

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

#: How often a lost race for writing is repeated at once.
_RACES = 10
#: Looks after which a run that hasn't asked any more loses its place in the line.
_STALE_LOOKS = 6


@dataclass(frozen=True)
class Asker:
    """The run that asks, in its present era, and the task instance through which Airflow is asked."""

    run: Run
    era: str
    cleared: bool
    ti: Any

    @classmethod
    def of(cls, context: Context) -> Asker:
        """Return the asker in the task of `context`."""
        run = context["dag_run"]
        # start_date: the run starts anew; clear_number: something in it was cleared, ended or not (taskinstance.py,
        # `clear_task_instances`). Airflow changes one of them before a task of the run can start again.
        cleared = int(getattr(run, "clear_number", 0) or 0)
        era = f"{run.start_date.isoformat() if run.start_date else None} {cleared}"
        return cls(Run(run.dag_id, run.run_id), era, bool(cleared), context["ti"])

    def works(self, other: Run) -> bool:
        """Return whether the run `other` works: it runs, or one of its tasks does. True if that can't be told.

        A run that is queued again after it was cleared doesn't: it may be waiting for this very run to end
        (`max_active_runs`), and asks for its turn before it works.
        """
        try:
            return bool(
                self.ti.get_dr_count(dag_id=other.dag_id, run_ids=[other.run_id], states=["running"])
                or self.ti.get_ti_count(dag_id=other.dag_id, run_ids=[other.run_id], states=["running", "restarting"])
            )
        except Exception as error:
            log.warning("Airflow can't say whether %s works (%s): taken as if it did.", other, error)
            return True

    def is_paused(self, dag_id: str) -> bool:
        """Return whether the DAG is paused, as far as Airflow can tell (3.2 and later)."""
        try:
            return bool(self.ti.get_dag(dag_id).is_paused)
        except Exception:
            return False


def look(lock: str, asker: Asker) -> Decision | None:
    """Ask once for the turn of `asker`'s run; return what was decided, None if that couldn't be.

    Raises:
        ConfigurationError: if the bucket can't be used.
    """
    poll = settings.lock_poll().total_seconds()
    patience = Patience(grace=settings.lock_grace().total_seconds(), stale=max(_STALE_LOOKS * poll, 60))
    try:
        store = Store(lock)
        for _ in range(_RACES):
            read = store.read()
            about = lease.asks_about(read.lease, asker.run)
            works = asker.works(about) if about else False
            decision = lease.decide(read.lease, asker.run, asker.era, time.time(), patience, works)
            if decision.write is None or store.write(decision.write, read):
                return decision
    except ConfigurationError:
        raise
    except Exception as error:  # the network, S3: it passes by, or the limit comes
        log.warning("The lease of the lock %r can't be reached: %s", lock, error)
        return None
    log.info("Others write the lease of the lock %r all the time; trying again later.", lock)
    return None


def say(lock: str, asker: Asker, decision: Decision | None, began: datetime) -> None:
    """Log whom the asker waits for and since when.

    Raises:
        TurnRefused: if it has waited for longer than the limit; it has left the line then.
    """
    now = datetime.now(tz=UTC)
    whom = "the bucket"
    if decision is not None and decision.before is not None:
        since = datetime.fromtimestamp(decision.since, tz=UTC)
        whom = f"{decision.before}, there since {since:%Y-%m-%d %H:%M:%S} UTC"
        if asker.is_paused(decision.before.dag_id):
            whom += f"; {decision.before.dag_id} is paused, so that its run doesn't go on"
    limit = settings.lock_limit()
    if now - began >= limit:
        _leave(lock, asker)
        raise TurnRefused(
            f"Waited {_length(limit)} for the lock {lock!r}, in vain: {whom}. If that run hangs, mark it as failed; "
            "then clear this task. ([mwaa_dbt] lock_limit)"
        )
    log.info(
        "Waiting for the lock %r since %s UTC (%s), for %s. Next look in %d s; gives up at %s UTC.",
        lock,
        began.strftime("%Y-%m-%d %H:%M:%S"),
        _length(now - began),
        whom,
        settings.lock_poll().total_seconds(),
        (began + limit).strftime("%Y-%m-%d %H:%M:%S"),
    )


def first_look(context: Context) -> datetime:
    """Return when this task looked first, reschedules included."""
    return context["ti"].get_first_reschedule_date(context) or datetime.now(tz=UTC)


def finish(lock: str, context: Context) -> None:
    """Say in the lease that all tasks of the run have ended by themselves, so that the next run needs no grace.

    Not after something in it was cleared: the process of the earlier try may not be dead yet.
    """
    asker = Asker.of(context)
    if not asker.cleared:
        _write(lock, lambda found: lease.finish(found, asker.run, asker.era))


def _leave(lock: str, asker: Asker) -> None:
    _write(lock, lambda found: lease.give_up(found, asker.run))


def _write(lock: str, change: Callable[[lease.Lease], lease.Lease | None]) -> None:
    # Either only shortens what others wait: without it they wait for the grace, or for the place to go stale.
    try:
        store = Store(lock)
        for _ in range(_RACES):
            read = store.read()
            changed = change(read.lease)
            if changed is None or store.write(changed, read):
                return
    except Exception as error:
        log.warning("The lease of the lock %r could not be written: %s", lock, error)


def _length(time: timedelta) -> str:
    return str(timedelta(seconds=round(time.total_seconds())))
