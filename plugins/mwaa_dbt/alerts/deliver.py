"""Tells what is to be told of a run: one process at a time, in the order it happened, sooner or later."""

from __future__ import annotations

import logging
import time
from enum import Enum
from typing import Any, Protocol

from mwaa_dbt import settings
from mwaa_dbt.alerts import state
from mwaa_dbt.alerts.behind import Partly
from mwaa_dbt.alerts.ending import Ending
from mwaa_dbt.alerts.event import Event, RunKey
from mwaa_dbt.alerts.store import Claim, Conflict, Store, StoreError
from mwaa_dbt.compat import BaseHook
from mwaa_dbt.errors import MwaaDbtError

log = logging.getLogger(__name__)

#: How long the callback of a failed task may hold its worker; what is left is told by the next, or at the run's end.
TASK_SECONDS = 60.0
#: Where tasks go on failing while one tells of them: what comes in so many seconds is told together.
TOGETHER_SECONDS = 3.0


class Courier(Protocol):
    """A way to people. Each keeps in the claim what it has told; all of it raises MwaaDbtError when it can't now.

    Raised is Partly where only some couldn't be told: then `end` is called all the same, for the others.
    """

    name: str

    def tell(self, claim: Claim, events: list[Event], failing: dict[str, Any]) -> None:
        """Tell of failures."""

    def end(self, claim: Claim, ending: Ending) -> None:
        """Tell how the run ended."""


def couriers(deadline: float) -> list[Courier]:
    """Return the ways to people that the settings name; they wait for nothing after `deadline` (time.monotonic())."""
    found: list[Courier] = []
    if conn_id := settings.slack_conn_id():
        found.append(_Late(conn_id, deadline))
    from mwaa_dbt.alerts.mail import Mail

    found.append(Mail(deadline))
    return found


class _Late:
    """Slack, made when there is something to tell: its connection may be away, and that is a failure like others."""

    name = "slack"

    def __init__(self, conn_id: str, deadline: float) -> None:
        self._conn_id, self._deadline = conn_id, deadline
        self._threads: Any = None

    def _made(self) -> Any:
        if self._threads is None:
            from mwaa_dbt.alerts.slack import Slack
            from mwaa_dbt.alerts.thread import Threads

            conn_type = BaseHook.get_connection(self._conn_id).conn_type
            self._threads = Threads(Slack(self._conn_id, str(conn_type), self._deadline))
        return self._threads

    def tell(self, claim: Claim, events: list[Event], failing: dict[str, Any]) -> None:
        if events:
            self._made().tell(claim, events, failing)
            log.info("Alert sent through the connection %r.", self._conn_id)

    def end(self, claim: Claim, ending: Ending) -> None:
        self._made().end(claim, ending)


class Result(Enum):
    """What became of a delivery: everything was told, another process tells, or something couldn't be told now."""

    TOLD = "told"
    BUSY = "busy"
    LEFT = "left"


def deliver(run: RunKey, store: Store, deadline: float) -> Result:
    """Tell what is to be told of `run`, as long as `deadline` (time.monotonic()) hasn't passed.

    A process that finds another one telling leaves: what it left in the outbox is seen by the other, which looks again
    after it has given up its claim. Raises StoreError if the bucket is away.
    """
    ways = couriers(deadline)
    while True:
        claim = store.claim(run)
        if claim is None:
            log.info("Another process is telling of this run; it tells of this, too.")
            return Result.BUSY
        try:
            left = _tell(claim, store, ways)
        except Conflict:
            log.warning("This process was away for so long that another one tells of the run now.")
            return Result.BUSY
        except Exception:
            _give_up(claim)
            raise
        _give_up(claim)
        if left:
            return Result.LEFT
        if not store.pending(run, "failed", "ended"):
            return Result.TOLD
        if time.monotonic() + TOGETHER_SECONDS > deadline:
            log.info("Tasks go on failing; what came last is told by the next of them, or at the run's end.")
            return Result.LEFT
        time.sleep(TOGETHER_SECONDS)


def _give_up(claim: Claim) -> None:
    try:
        claim.release()
    except MwaaDbtError as error:
        log.warning("The claim of this run's alerts could not be given up: %s. It ends by itself.", error)


def patiently(run: RunKey, store: Store, deadline: float) -> Result:
    """Deliver; if another process is telling of the run, wait for it until `deadline` (time.monotonic())."""
    while True:
        result = deliver(run, store, deadline)
        if result is not Result.BUSY or time.monotonic() + 3 > deadline:
            return result  # a teller that was killed leaves the rest to a later run's end
        time.sleep(2)


def sweep(store: Store, deadline: float) -> None:
    """Tell what earlier runs, of any DAG, couldn't; one that still can't be told doesn't hold up the others."""
    for key in store.waiting_runs("failed", "ended").values():
        if time.monotonic() > deadline:
            return
        fields = store.read(key)[0]
        run = RunKey(fields.get("dag_id", ""), fields.get("run_id", ""))
        if fields:
            deliver(run, store, deadline)


def tell_at_once(event: Event, deadline: float) -> None:
    """Tell of one failure by itself, without anything kept: there is no bucket, or it is away."""
    _each(couriers(deadline), lambda way: way.tell(Claim(event.run, {}), [event], {}))


def end_at_once(ending: Ending, deadline: float) -> None:
    """Tell how a run ended, in a message of its own and without anything kept: the bucket is away."""
    run = RunKey(ending.dag_id, ending.run_id)
    _each(couriers(deadline), lambda way: way.end(Claim(run, {}), ending))


def _tell(claim: Claim, store: Store, ways: list[Courier]) -> bool:
    """Tell in every way what is to be told; return whether something is left."""
    pending = store.pending(claim.run, "failed", "ended")
    events = [Event.of(one.fields) for one in pending if one.kind == "failed"]
    before = store.failing(claim.run.dag_id)[0] if events else {}
    failing = {
        event.task: entry
        for event in events
        if not event.refused and (entry := state.known(before, event.run_target).get(event.task))
    }
    loud = [event for event in events if not event.silenced]
    for event in events:
        if event.silenced:
            claim.doc.setdefault("silenced", {})[event.task] = event.silenced
        claim.doc.setdefault("failed", {})[event.task] = event.heard()
        if event.route.unknown:
            note = f"The owner {event.route.owner} has no entry in the project's alerts.yml."
            claim.doc["notes"] = list(dict.fromkeys([*claim.doc.get("notes", []), note]))
    endings = [Ending.of(one.fields) for one in pending if one.kind == "ended"]

    def tell(way: Courier) -> None:
        partly: Partly | None = None
        try:
            way.tell(claim, loud, failing)
        except Partly as error:
            partly = error
        for ending in endings:
            way.end(claim, ending)
        if partly is not None:
            raise partly

    if _each(ways, tell):
        log.warning("What could not be sent is kept in the bucket, and is sent later, at the latest with a run's end.")
        return True
    for ending in endings:
        for name in ending.mended:
            claim.doc.get("failed", {}).pop(name, None)
    if pending:
        claim.save()
        try:
            store.delete(one.key for one in pending)
        except StoreError as error:  # the claim remembers what was told
            log.warning("What was told can't be taken out of the bucket; it isn't told again: %s", error)
            return True
    return False


def _each(ways: list[Courier], tell: Any) -> bool:
    """Do `tell` with each way, whatever happens to the others; return whether one failed."""
    failed = False
    for way in ways:
        try:
            tell(way)
        except StoreError:  # then nobody knows what has been told
            raise
        except Exception as error:
            failed = True
            conn_id = settings.slack_conn_id() if way.name == "slack" else settings.mail_conn_id()
            log.error("The alert could not be sent through the connection %r: %s", conn_id, error)
            log.debug("Details", exc_info=True)
    return failed
