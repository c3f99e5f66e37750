"""The lease of one lock: which DAG run works, which wait, and what follows from it for a run that asks.

Pure: no clock, no network, no Airflow. tests/mwaa_dbt/exclusion/test_protocol.py goes through all interleavings of it.
Times are seconds since 1970 (UTC).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace


@dataclass(frozen=True)
class Run:
    """One DAG run."""

    dag_id: str
    run_id: str

    def __str__(self) -> str:
        return f"{self.dag_id} ({self.run_id})"


@dataclass(frozen=True)
class Holder:
    """The run that may work.

    `era` changes whenever the run starts anew or something in it is cleared. `finished`: its last task found all others
    ended by themselves. `ended`: when a waiting run first saw that it doesn't work any more.
    """

    run: Run
    era: str
    since: float
    finished: bool = False
    ended: float | None = None


@dataclass(frozen=True)
class Waiter:
    """A run that waits `since`; it was last `seen` asking."""

    run: Run
    since: float
    seen: float


@dataclass(frozen=True)
class Lease:
    """What the lock's object in the bucket says. `turn` counts the turns ever taken: no two contents are equal."""

    turn: int = 0
    holder: Holder | None = None
    waiting: tuple[Waiter, ...] = ()

    def dumps(self) -> bytes:
        """Return the lease as JSON."""
        return json.dumps(asdict(self), indent=1).encode()

    @classmethod
    def loads(cls, text: bytes) -> Lease:
        """Return the lease that `dumps` wrote.

        Raises:
            ValueError: if it is none.
        """
        try:
            content = json.loads(text)
            holder = content["holder"]
            return cls(
                turn=int(content["turn"]),
                holder=Holder(**{**holder, "run": Run(**holder["run"])}) if holder else None,
                waiting=tuple(Waiter(**{**one, "run": Run(**one["run"])}) for one in content["waiting"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no lease: {error!r}") from error


@dataclass(frozen=True)
class Patience:
    """How long is waited for what, in seconds.

    Args:
        grace: after a run was ended from outside: as long as its tasks' processes may take to die.
        stale: a waiting run that hasn't asked for so long loses its place.
    """

    grace: float
    stale: float


@dataclass(frozen=True)
class Decision:
    """What a run that asked is to do.

    `write` is to replace the lease it has read, on condition that nobody wrote meanwhile; None: nothing to write. Only
    then does the rest hold: it works (`before` is None), or `before` is whom it waits for and `since` when that began.
    """

    write: Lease | None
    before: Run | None = None
    since: float = 0.0

    @property
    def works(self) -> bool:
        """Whether it is the run's turn."""
        return self.before is None


def asks_about(lease: Lease, me: Run) -> Run | None:
    """Return the run of which `decide` needs to know whether it works; None: of none."""
    holder = lease.holder
    # Once seen ended, a run's turn is over for good: to work again, it has to write the lease.
    if holder is None or holder.run == me or holder.ended is not None:
        return None
    return holder.run


def decide(lease: Lease, me: Run, era: str, now: float, patience: Patience, holder_works: bool) -> Decision:
    """Return what the run `me` is to do, having read `lease` and then asked whether its holder works."""
    holder = lease.holder
    if holder is not None and holder.run == me:
        if holder.era == era and not holder.finished and holder.ended is None:
            return Decision(None)
        return Decision(_taken(lease, me, era, now))
    waiting = tuple(one for one in lease.waiting if now - one.seen < patience.stale or one.run == me)
    if holder is not None and holder_works and holder.ended is None:
        return Decision(_queued(lease, waiting, me, now, patience), holder.run, holder.since)
    if holder is not None and not holder.finished:
        if holder.ended is None:
            marked = replace(lease, holder=replace(holder, ended=now))
            return Decision(_queued(marked, waiting, me, now, patience) or marked, holder.run, holder.since)
        if now - holder.ended < patience.grace:
            return Decision(_queued(lease, waiting, me, now, patience), holder.run, holder.since)
    if waiting and waiting[0].run != me:
        return Decision(_queued(lease, waiting, me, now, patience), waiting[0].run, waiting[0].since)
    return Decision(_taken(lease, me, era, now))


def finish(lease: Lease, me: Run, era: str) -> Lease | None:
    """Return the lease after the last task of `me` found the others ended by themselves; None: it isn't `me`'s."""
    holder = lease.holder
    if holder is None or holder.run != me or holder.era != era or holder.finished or holder.ended is not None:
        return None
    return replace(lease, holder=replace(holder, finished=True))


def give_up(lease: Lease, me: Run) -> Lease | None:
    """Return the lease without `me` among those who wait; None: it isn't."""
    waiting = tuple(one for one in lease.waiting if one.run != me)
    return replace(lease, waiting=waiting) if len(waiting) < len(lease.waiting) else None


def _taken(lease: Lease, me: Run, era: str, now: float) -> Lease:
    waiting = tuple(one for one in lease.waiting if one.run != me)
    return Lease(lease.turn + 1, Holder(me, era, now), waiting)


def _queued(lease: Lease, waiting: tuple[Waiter, ...], me: Run, now: float, patience: Patience) -> Lease | None:
    mine = next((one for one in waiting if one.run == me), None)
    if mine is None:
        waiting = (*waiting, Waiter(me, now, now))
    elif now - mine.seen > patience.stale / 3:  # not at every look: each write is a version in the bucket
        waiting = tuple(replace(one, seen=now) if one.run == me else one for one in waiting)
    return replace(lease, waiting=waiting) if waiting != lease.waiting else None
