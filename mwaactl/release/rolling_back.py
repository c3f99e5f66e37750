"""rollback: the exact files, object versions and options of an earlier release, applied as a release of its own."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from mwaactl.environments import Environment
from mwaactl.errors import Problem
from mwaactl.release import contents, lease, planning, pointer, record, target
from mwaactl.release.applying import Applied, Unverified, carry_out, finished, refuse_superseded
from mwaactl.release.contents import File
from mwaactl.release.how import How
from mwaactl.release.objects import AT_ONCE, Bucket
from mwaactl.release.planning import Plan, Wanted
from mwaactl.release.pointer import State
from mwaactl.release.record import Record
from mwaactl.release.steps import Steps, shown


def rollback(environment: Environment, release: str | None = None, how: How | None = None) -> Applied:
    """Bring back `release`; None: the one before the release in force, or that one if an apply was interrupted.

    What was released in between stays on record, so that a rollback can be taken back in the same way. Raises Problem
    when there is no such release, when its object versions are gone, or when the environment can't be changed now.
    """
    how = replace(how or How(), take_back=False)
    with shown(how.show) as steps:
        with steps.step("plan") as told:
            s3 = environment.client("s3")
            told("looking at account, bucket and environment")
            found = target.look(environment, to_write=True, to_verify=how.verify)
            state = pointer.read(s3, environment)
            lease.refuse(environment, state)
            target.refuse_busy(environment, found.mwaa)
            earlier = record.read(s3, environment, release) if release else _before(s3, environment, state)
            plan = planning.plan(environment, _wanted(environment, earlier), found, how.replacement)
            told("looking for the object versions")
            _still_there(plan, earlier)
        return _carry_out(plan, earlier, how, steps)


def take_back(environment: Environment, failed: Record, earlier: Record, how: How, steps: Steps) -> Record:
    """Bring back `earlier` after `failed`, which doesn't run; return the new record.

    Raises Problem when that fails, or when `failed` is no longer what is in force: nobody else's release is taken back.
    """
    with steps.step("take back"):
        plan = planning.plan(environment, _wanted(environment, earlier), replacement=how.replacement)
        refuse_superseded(failed, plan.state, environment.name)
        _still_there(plan, earlier)
    try:
        return _carry_out(plan, earlier, replace(how, take_back=False), steps).record
    except Unverified as problem:
        return problem.applied.record  # it is back; that it doesn't run either is what `verify` says


def _carry_out(plan: Plan, earlier: Record, how: How, steps: Steps) -> Applied:
    if plan.nothing and plan.current:
        return finished(plan, plan.current, how, steps)
    draft = replace(
        earlier,
        release=record.new_id(contents.fingerprint(plan.wanted.files)),
        created=record.now(),
        who=plan.target.who,
        previous=plan.state.release,
        restores=earlier.restores or earlier.release,
        changed={name: len(getattr(plan, name)) for name in ("added", "changed", "removed")},
        verified=None,
    )
    return carry_out(plan, how, steps, draft, "rollback")


def _before(s3: object, environment: Environment, state: State) -> Record:
    """Return the release that a rollback without a name goes to."""
    if not state.release:
        raise Problem(f"{environment.name} has no release to go back to.", "Apply one.")
    current = record.read(s3, environment, state.release)
    if state.unfinished:
        return current
    # What a rollback brought back stands for itself: a second rollback goes one further.
    own = record.read(s3, environment, current.restores) if current.restores else current
    if not own.previous:
        raise Problem(
            f"{own.release} is the first release of {environment.name}.", "Correct the project and apply again."
        )
    return record.read(s3, environment, own.previous)


def _wanted(environment: Environment, earlier: Record) -> Wanted:
    bucket = Bucket(environment)
    files = {
        path: File(stored.size, stored.sha256, partial(bucket.get, path, stored.version))
        for path, stored in earlier.files.items()
    }
    return Wanted(files, earlier.options, earlier)


def _still_there(plan: Plan, earlier: Record) -> None:
    """Raise Problem when S3 no longer has a version that is needed: somebody's rule may have expired it."""
    bucket = Bucket(plan.environment)
    needed = [(path, earlier.files[path].version) for path in plan.uploads]
    needed += [
        (name, earlier.pins[name]) for name in (plan.update.files if plan.update else ()) if name in earlier.pins
    ]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        there = list(pool.map(lambda one: bucket.head(*one), needed))
    gone = [path for (path, _), stored in zip(needed, there, strict=True) if stored is None]
    if gone:
        raise Problem(
            f"{len(gone)} object versions of {earlier.release} are gone, e.g. {gone[0]}: a lifecycle rule of the "
            "bucket expires them.",
            f"Check out its commit ({(earlier.commit or 'unknown')[:12]}) and apply that.",
        )
