"""apply: checks, then uploads, then the environment's update, then the pointer, then the proof that it runs."""

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from mwaactl.environments import Environment
from mwaactl.errors import Problem
from mwaactl.release import checks, contents, git, pointer, record, stages, updates
from mwaactl.release.git import Checkout
from mwaactl.release.how import How
from mwaactl.release.lease import Lease
from mwaactl.release.planning import Plan
from mwaactl.release.pointer import State
from mwaactl.release.record import Record
from mwaactl.release.steps import Steps, shown
from mwaactl.release.updates import Update, UpdateFailed
from mwaactl.release.verifying import Verdict, Verification
from mwaactl.release.writing import Writer

#: Seconds between two stages on the local environment, which syncs every two.
LOCAL_SYNC_SECONDS = 3.0


@dataclass(frozen=True)
class Applied:
    """What an apply did. `record` is the release in force now; `verdict` is None when it wasn't asked for."""

    plan: Plan
    record: Record
    verdict: Verdict | None
    taken_back: Record | None = None

    @property
    def nothing(self) -> bool:
        """Whether there was nothing to release."""
        return self.plan.nothing


def apply(environment: Environment, source: Path, how: How | None = None) -> Applied:
    """Release the project at `source` to `environment`.

    Every check comes before the first write. Interrupted, it leaves the release in force as it was, or can be repeated
    to finish. Raises Problem when a check fails, when somebody else is applying, when MWAA refuses the update, or when
    the release doesn't run (it is taken back then).
    """
    how = how or How()
    with shown(how.show) as steps:
        plan, dags = checks.prepared(environment, source, how, steps)
        if plan.nothing and plan.current:
            return finished(plan, plan.current, how, steps)
        return carry_out(plan, how, steps, _draft(plan, git.checkout(source), dags))


def _draft(plan: Plan, checkout: Checkout, dags: Mapping[str, str]) -> Record:
    """Return the record of a release that begins now, without its files' versions."""
    return Record(
        release=record.new_id(contents.fingerprint(plan.wanted.files)),
        environment=plan.environment.name,
        created=record.now(),
        who=plan.target.who,
        files={},
        pins={},
        options=plan.wanted.options,
        airflow=str(plan.target.mwaa.get("AirflowVersion", "")),
        dags=dags,
        commit=checkout.commit,
        dirty=checkout.dirty,
        previous=plan.state.release,
        changed={name: len(getattr(plan, name)) for name in ("added", "changed", "removed")},
    )


def carry_out(plan: Plan, how: How, steps: Steps, draft: Record, action: str = "apply") -> Applied:
    """Do what `plan` says, as the release of `draft`; return it verified.

    The order: lease, environment files, update, dags/ in stages, removals, record, pointer, proof.
    """
    environment = plan.environment
    s3 = environment.client("s3")
    holding = Lease(s3, environment, draft.release, action, plan.target.who)
    with holding:
        holding.take(plan.state)
        writer = Writer(plan, holding, steps, _pause(plan, how))
        try:
            writer.environment_files()
            pins = _pins(plan, writer)
            if plan.update:
                _update(plan, plan.update, pins, writer, holding, steps)
            writer.dags()
            since = record.in_seconds(_pause(plan, how))
            stored = {**plan.same, **writer.written}
            made = replace(draft, files={path: stored[path] for path in plan.wanted.files}, pins=pins, since=since)
            with steps.step("record"):
                holding.check()
                record.write(s3, environment, made)
                holding.finish()
        except BaseException:
            # That this failed, too, must not hide why: the lease ends by itself.
            with contextlib.suppress(Exception):
                holding.give_up(wrote=writer.touched)
            raise
    return finished(plan, made, how, steps, tuple(writer.written))


def _pause(plan: Plan, how: How) -> float:
    if how.pause is not None:
        return how.pause
    if not plan.environment.is_local:
        return stages.SYNC_SECONDS
    return LOCAL_SYNC_SECONDS if plan.current else 0.0


def _pins(plan: Plan, writer: Writer) -> dict[str, str]:
    """Return the object versions that the environment shall be built from.

    A file whose content is what it is built from keeps its version; a rollback goes back to the very versions that the
    earlier release had.
    """
    differing = plan.update.files if plan.update else ()
    restored = plan.wanted.restores.pins if plan.wanted.restores else {}
    pins = {}
    for name in contents.ENVIRONMENT_FILES:
        stored = writer.written.get(name) or plan.same.get(name)
        if name in restored:
            pins[name] = restored[name] if name in differing else plan.pins[name]
        elif name in plan.pins and name not in differing:
            pins[name] = plan.pins[name]
        elif stored:
            pins[name] = stored.version
    return pins


def _update(plan: Plan, update: Update, pins: Mapping[str, str], writer: Writer, holding: Lease, steps: Steps) -> None:
    """Update the environment and wait; when MWAA takes that back, bring the environment files back, too."""
    environment = plan.environment
    with steps.step("environment") as told:
        holding.check()
        writer.touched = True
        told(f"{update.strategy.lower()} update; {update.takes}")
        try:
            updates.start(environment, plan.wanted.options, pins, update.strategy)
            updates.follow(environment, update.strategy, plan.target.mwaa, told, holding.check)
        except UpdateFailed:
            writer.restore_environment_files()
            raise


def finished(plan: Plan, made: Record, how: How, steps: Steps, written: Collection[str] = ()) -> Applied:
    """Prove that the release `made` runs, unless that isn't wanted.

    Raises Unverified when it doesn't (it is taken back then, if that is wanted), Problem when that can't be found out.
    """
    if not how.verify:
        return Applied(plan, made, None)
    environment = plan.environment
    try:
        verdict = Verification(environment).run(made, steps, reread=written)
    except Problem as problem:
        raise Problem(
            f"{made.release} is released to {environment.name}, but not proven to run: {problem.what}",
            f"{problem.next_step} Then `mwaactl release verify -e {environment.name}`.".lstrip(),
        ) from problem
    s3 = environment.client("s3")
    if not verdict.good:
        # The lease ended before the proof began: what was found may be somebody else's release.
        refuse_superseded(made, pointer.read(s3, environment), environment.name)
    made = replace(made, verified=verdict.as_record())
    if not plan.nothing:
        record.write(s3, environment, made)
    applied = Applied(plan, made, verdict)
    if verdict.good:
        return applied
    previous: Any = plan.current
    if not how.take_back or previous is None or plan.nothing or plan.wanted.restores:
        raise Unverified(applied)
    from mwaactl.release import rolling_back

    try:
        back = rolling_back.take_back(environment, made, previous, how, steps)
    except (Problem, ClientError) as error:
        why = error.message if isinstance(error, Problem) else str(error)
        raise Unverified(applied, f"It could not be taken back, and is still there: {why}") from error
    raise Unverified(replace(applied, taken_back=back))


def refuse_superseded(made: Record, state: State, name: str) -> None:
    """Raise Problem if something else than `made` is in force, or being written."""
    if (state.release, state.unfinished) == (made.release, None):
        return
    other = state.release if state.release != made.release else state.unfinished
    raise Problem(
        f"{made.release} of {name} could not be proven to run: meanwhile somebody released {other}.",
        f"Look at that one: `mwaactl release status -e {name}`. Nothing was taken back.",
    )


class Unverified(Problem):
    """A release that doesn't run. `applied` says what is wrong, and whether it was taken back."""

    def __init__(self, applied: Applied, kept: str = "") -> None:
        """`kept` says why it wasn't taken back, though that was wanted."""
        self.applied = applied
        verdict = applied.verdict
        lines = "\n  ".join((*(verdict.problems if verdict else ()), *([kept] if kept else [])))
        name = applied.plan.environment.name
        back = applied.taken_back
        if back:
            next_step = f"It was taken back: {name} runs {back.restores} again. Correct the project and apply again."
        else:
            next_step = f"Correct the project and apply again, or `mwaactl release rollback -e {name}`."
        super().__init__(f"Release {applied.record.release} of {name} doesn't run:\n  {lines}", next_step)
