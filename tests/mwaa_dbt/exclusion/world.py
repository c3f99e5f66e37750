"""A small world of DAG runs that share a lock: every single step that Airflow, a person or a process may take.

What a run decides comes from the library itself (`lease.decide`, `asks_about`, `finish`); the world around it is
modelled: runs, their tasks' states, processes that live on for a while after their task was ended from outside, and the
bucket with its conditional write. A step is as small as what nobody can interrupt: one read, one question, one write.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from mwaa_dbt.exclusion import lease
from mwaa_dbt.exclusion.lease import Lease, Patience, Run

#: Now is 0: what was marked just now (0) is within the grace, what was marked before (-1) is past it.
PATIENCE = Patience(grace=1, stale=1)


@dataclass(frozen=True)
class Rules:
    """What holds in the world. Each default is how it is; a test changes one and sees the checker find what follows."""

    conditional_write: bool = True  # S3 refuses a write if somebody else wrote since the read
    killed_in_grace: bool = True  # a process dies within the grace after its task was ended from outside
    era_checked: bool = True  # a task trusts wait_for_turn's word only in the same era
    queued_works: bool = False  # a run that was cleared and is queued again counts as working
    mark_success: bool = False  # a person marks a task that runs as successful
    same_dag: bool = False  # the runs are of one DAG with max_active_runs=1
    interventions: int = 2  # how often persons intervene


@dataclass(frozen=True)
class Process:
    """A process that asks for its run's turn: what it has read and been told, in the era in which it started."""

    era: int
    step: str = "start"  # start, read, asked
    read: Lease | None = None
    current: bool = True  # nobody wrote since it read
    works: bool = False


@dataclass(frozen=True)
class DagRun:
    """One run with three tasks: wait_for_turn, one that works, and the last one. A task is a state or a process."""

    state: str = "queued"
    era: int = 0
    word: int | None = None  # wait_for_turn's XCom: the era in which it got the turn
    wait: str | Process | None = None
    work: str | Process | None = None
    last: str | Process | None = None
    zombie: bool = False  # its work goes on after the task was ended from outside
    cleared: bool = False  # something in it was cleared (clear_number)

    @property
    def working(self) -> bool:
        return self.work == "working" or self.zombie

    @property
    def tasks(self) -> tuple[Any, ...]:
        return self.wait, self.work, self.last

    @property
    def ended(self) -> bool:
        return self.state in ("success", "failed", "deleted")


@dataclass(frozen=True)
class World:
    runs: tuple[DagRun, ...]
    stored: Lease | None = None
    interventions: int = 0
    rules: Rules = field(default=Rules(), compare=False)

    def run(self, i: int, **changes: Any) -> World:
        return replace(self, runs=tuple(replace(r, **changes) if j == i else r for j, r in enumerate(self.runs)))


def name(world: World, i: int) -> Run:
    return Run("dag" if world.rules.same_dag else f"dag{i}", f"run{i}")


def works(world: World, other: Run) -> bool:
    """What Airflow answers (`Asker.works`)."""
    run = next(r for i, r in enumerate(world.runs) if name(world, i) == other)
    tasks = any(task in ("working", "restarting") or isinstance(task, Process) for task in run.tasks)
    return run.state == "running" or tasks or (world.rules.queued_works and run.state == "queued")


def write(world: World, new: Lease, process: Process) -> World | None:
    """Store `new`; None if somebody wrote since `process` read."""
    if not process.current and world.rules.conditional_write:
        return None
    holder = new.holder and replace(new.holder, since=0)
    new = replace(new, turn=0, holder=holder)  # the counter and times would make the world infinite

    def told(task: Any) -> Any:
        return replace(task, current=False) if isinstance(task, Process) else task

    runs = tuple(replace(r, wait=told(r.wait), work=told(r.work), last=told(r.last)) for r in world.runs)
    return replace(world, stored=new, runs=runs)


def asking(world: World, i: int, task: str) -> Iterator[tuple[str, World]]:
    """One step of a process that asks for the turn (`turn.look`): read, ask Airflow, decide and write."""
    run = world.runs[i]
    process = getattr(run, task)
    if not isinstance(process, Process):
        return
    if process.step == "start":
        if task == "work" and run.word is not None and (run.word == process.era or not world.rules.era_checked):
            yield "trusts", world.run(i, work="working")
        else:
            found = replace(process, step="read", read=world.stored or Lease(), current=True)
            yield "reads", world.run(i, **{task: found})
        return
    about = lease.asks_about(process.read, name(world, i))
    if process.step == "read" and about is not None:
        yield "asks", world.run(i, **{task: replace(process, step="asked", works=works(world, about))})
        return
    decision = lease.decide(process.read, name(world, i), str(process.era), 0, PATIENCE, process.works)
    after: World | None = world if decision.write is None else write(world, decision.write, process)
    if after is None:
        yield "loses", world.run(i, **{task: Process(process.era)})
    elif not decision.works:
        yield "waits", after.run(i, **{task: None})  # rescheduled
    elif task == "wait":
        yield "turn", after.run(i, wait="success", word=process.era)
        yield "turn, dies before it says so", after.run(i, wait="failed")
    else:
        yield "turn", after.run(i, work="working")


def ending(world: World, i: int) -> Iterator[tuple[str, World]]:
    """One step of the run's last task: all have ended; if well, it writes so."""
    run = world.runs[i]
    process = run.last
    if not isinstance(process, Process):
        return
    if process.step == "start":
        yield "last reads", world.run(i, last=replace(process, step="read", read=world.stored or Lease(), current=True))
        return
    # As `turn.finish`: not after something was cleared, whose process may not be dead yet.
    new = None if run.cleared else lease.finish(process.read or Lease(), name(world, i), str(process.era))
    after = write(world, new, process) if new is not None else world
    yield "last writes", after.run(i, last="success") if after else world.run(i, last=Process(process.era))


def airflow(world: World, i: int) -> Iterator[tuple[str, World]]:
    """What the scheduler, time, and processes do by themselves."""
    run = world.runs[i]
    if run.state == "queued":
        others = any(r.state == "running" for j, r in enumerate(world.runs) if j != i)
        if not (world.rules.same_dag and others):
            yield "starts", world.run(i, state="running", era=run.era + 1)
    if run.state == "running":
        if run.wait is None:
            yield "wait_for_turn", world.run(i, wait=Process(run.era))
        if run.wait == "success" and run.work is None:
            yield "work sent", world.run(i, work="sent")
        failed = "failed" in (run.wait, run.work)
        over = run.work in ("success", "failed") or run.wait == "failed"
        if over and run.last is None:
            yield "last task", world.run(i, last="failed" if failed else Process(run.era))
        if over and run.last in ("success", "failed"):
            yield "ends", world.run(i, state="failed" if failed else "success")
    if run.work == "sent":
        yield "work starts", world.run(i, work=Process(run.era))
    if run.work == "working":
        yield "succeeds", world.run(i, work="success")
        yield "fails", world.run(i, work="failed")
    if run.zombie:
        yield "zombie dies", world.run(i, zombie=False, work=None if run.work == "restarting" else run.work)
    yield from asking(world, i, "wait")
    yield from asking(world, i, "work")
    yield from ending(world, i)


def time_passes(world: World) -> Iterator[tuple[str, World]]:
    """The grace of the holder passes; a waiting run isn't seen for long."""
    stored = world.stored
    if stored is None:
        return
    holder = stored.holder
    if holder is not None and holder.ended == 0:
        dying = any(r.zombie for i, r in enumerate(world.runs) if name(world, i) == holder.run)
        if not (dying and world.rules.killed_in_grace):

            def later(found: Lease | None) -> Lease | None:
                fresh = found and found.holder and found.holder.ended == 0
                return replace(found, holder=replace(found.holder, ended=-1)) if fresh else found

            def told(task: Any) -> Any:
                return replace(task, read=later(task.read)) if isinstance(task, Process) else task

            runs = tuple(replace(r, wait=told(r.wait), work=told(r.work), last=told(r.last)) for r in world.runs)
            yield "grace passes", replace(world, stored=later(stored), runs=runs)
    for one in stored.waiting:
        if one.seen == 0:
            waiting = tuple(replace(w, seen=-1) if w == one else w for w in stored.waiting)
            yield "not seen for long", replace(world, stored=replace(stored, waiting=waiting))


def persons(world: World, i: int) -> Iterator[tuple[str, World]]:
    """What a person may do to a run: mark it, delete it, clear it or a task, mark tasks, queue it again."""
    run = world.runs[i]
    if world.interventions >= world.rules.interventions or run.state == "deleted":
        return
    world = replace(world, interventions=world.interventions + 1)
    zombie = run.zombie or run.work == "working"
    work = "restarting" if run.work in ("working", "restarting") else None

    def ended(task: Any) -> Any:
        return task if task in ("success", "failed") else "failed"

    if not run.ended:
        marked = {task: ended(getattr(run, task)) for task in ("wait", "work", "last")}
        yield "run marked failed", world.run(i, state="failed", zombie=zombie, **marked)
    yield "run deleted", world.run(i, state="deleted", zombie=zombie, wait=None, work=None, last=None, word=None)
    if run.work == "working":
        yield "task marked failed", world.run(i, work="failed", zombie=True)
        if world.rules.mark_success:
            yield "task marked success", world.run(i, work="success", zombie=True)
    if run.wait is None or isinstance(run.wait, Process):
        yield "wait marked success", world.run(i, wait="success", word=None)
    if run.state == "running":
        yield "run queued again", world.run(i, state="queued", era=run.era + 1)
    again = {"state": "queued" if run.ended else run.state, "era": run.era + 1, "cleared": True, "zombie": zombie}
    if run.work is not None:
        yield "work cleared", world.run(i, work=work, **again)
        yield "work cleared, with downstream", world.run(i, work=work, last=None, **again)
    if run.wait is not None:
        yield "all cleared", world.run(i, wait=None, work=work, last=None, word=None, **again)


def by_itself(world: World) -> Iterator[tuple[str, World]]:
    """Every step that may come next without anybody intervening."""
    yield from time_passes(world)
    for i in range(len(world.runs)):
        yield from ((f"{i}: {what}", after) for what, after in airflow(world, i))


def by_persons(world: World) -> Iterator[tuple[str, World]]:
    """Every step that a person may take next."""
    for i in range(len(world.runs)):
        yield from ((f"{i}: {what}", after) for what, after in persons(world, i))
