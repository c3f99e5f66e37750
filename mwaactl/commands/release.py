"""mwaactl release: from this checkout to an MWAA environment, and back."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.decorators import FC

from mwaactl.errors import FAILED, INTERRUPTED, Problem
from mwaactl.local.layout import REPOSITORY

if TYPE_CHECKING:
    from mwaactl.environments import Environment
    from mwaactl.release.applying import Applied

as_json = click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print it.")
replacement = click.option(
    "--replacement",
    type=click.Choice(["graceful", "forced"]),
    help="What an update does to running tasks: let them end, or end them. Default: graceful where MWAA allows it.",
)
pause = click.option(
    "--pause", type=click.FloatRange(0), help="Seconds between two stages of the upload. Default: 40, MWAA's sync."
)


def environment_options(function: FC) -> FC:
    """Add -e/--environment and --source, and hand the command an Environment."""
    for option in (
        click.option("--source", type=click.Path(path_type=Path, exists=True, file_okay=False), default=REPOSITORY,
                     envvar="MWAACTL_SOURCE", help="The project (MWAACTL_SOURCE). Default: this repository."),
        click.option("-e", "--environment", "name", required=True,
                     help="Which one of infra/environments.yaml, or `local`."),
    ):  # fmt: skip
        function = option(function)
    return function


def environment_of(name: str, source: Path) -> "Environment":
    """Return the environment that the command line names."""
    from mwaactl import environments

    return environments.read(name, source.resolve())


@click.group()
def release() -> None:
    """Releases: planned by content, checked before the first write, proven to run, taken back with one command."""


@release.command()
@environment_options
@replacement
@as_json
def plan(name: str, source: Path, replacement: str | None, form: str) -> None:
    """Print what a release would change, and whether the environment must be updated. Writes nothing."""
    from mwaactl import release as releases
    from mwaactl.release import show

    found = releases.plan(environment_of(name, source), source.resolve(), replacement and replacement.upper())
    if form == "json":
        click.echo(json.dumps(show.plan_data(found), indent=1))
    else:
        show.print_plan(found)


@release.command()
@environment_options
@replacement
@pause
@click.option("--skip", multiple=True, type=click.Choice(["dag-imports", "secrets", "manifests"]),
              help="Leave out a check.")  # fmt: skip
@click.option("--take-over", is_flag=True,
              help="Release over another project, or over a release that this checkout lacks.")  # fmt: skip
@click.option("--verify/--no-verify", default=True, show_default=True, help="End with the proof that it runs.")
@click.option("--take-back/--no-take-back", default=True, show_default=True,
              help="Take the release back if it doesn't run.")  # fmt: skip
@as_json
def apply(
    name: str,
    source: Path,
    replacement: str | None,
    pause: float | None,
    skip: tuple[str, ...],
    take_over: bool,
    verify: bool,
    take_back: bool,
    form: str,
) -> None:
    """Check, upload what changed, update the environment if need be, prove that it runs.

    Interrupted at any point, the release before is in force, and repeating the command finishes the new one. Exit
    status 0 only if the release runs.
    """
    from mwaactl import release as releases
    from mwaactl.release.how import How

    how = How(skip, take_over, replacement and replacement.upper(), pause, verify, take_back)
    _change(form, lambda: releases.apply(environment_of(name, source), source.resolve(), how))


@release.command()
@environment_options
@replacement
@pause
@click.argument("release_id", metavar="[RELEASE]", required=False)
@click.option("--verify/--no-verify", default=True, show_default=True, help="End with the proof that it runs.")
@as_json
def rollback(
    name: str,
    source: Path,
    replacement: str | None,
    pause: float | None,
    release_id: str | None,
    verify: bool,
    form: str,
) -> None:
    """Bring back RELEASE: its files, object versions and options. Without RELEASE, the one before the one in force.

    After an interrupted apply, `rollback` brings back the release in force.
    """
    from mwaactl import release as releases
    from mwaactl.release.how import How

    how: How = How((), False, replacement and replacement.upper(), pause, verify)
    _change(form, lambda: releases.rollback(environment_of(name, source), release_id, how))


def _change(form: str, work: "Callable[[], Applied]") -> None:
    from mwaactl.release import show
    from mwaactl.release.applying import Unverified

    try:
        done = work()
    except KeyboardInterrupt:
        raise Problem(
            "Interrupted. `mwaactl release status` says which release is in force.",
            "Repeat the command to finish, or `mwaactl release rollback` to go back.",
            INTERRUPTED,
        ) from None
    except Unverified as problem:
        if form == "json":
            click.echo(json.dumps(show.applied_data(problem.applied), indent=1))
        raise
    if form == "json":
        click.echo(json.dumps(show.applied_data(done), indent=1))
        return
    show.print_plan(done.plan)
    if not done.nothing:
        click.echo(f"{done.plan.environment.name} runs {show.summary(done.record)}")
    if done.verdict:
        verdict = done.verdict
        click.echo(f"Verified: {verdict.dags} DAGs, {verdict.objects} objects ({verdict.reread} read again).")


@release.command()
@environment_options
@as_json
def verify(name: str, source: Path, form: str) -> None:
    """Prove that what runs is what was released: DAGs, objects, environment. Exit status 0 only if it is."""
    from mwaactl.release import looking
    from mwaactl.release.steps import shown

    with shown() as steps:
        record, verdict = looking.verify(environment_of(name, source), steps)
    if form == "json":
        click.echo(json.dumps({"release": record.release, **verdict.as_record()}, indent=1))
    elif verdict.good:
        click.echo(f"{record.release} runs: {verdict.dags} DAGs, {verdict.objects} objects read again.")
    if not verdict.good:
        raise Problem(
            f"{name} does not run {record.release}:\n  " + "\n  ".join(verdict.problems),
            f"Apply again, or `mwaactl release rollback -e {name}`.",
        )


@release.command()
@environment_options
@as_json
def status(name: str, source: Path, form: str) -> None:
    """Print the release in force, who is changing it, the environment. Exit status 1 if something is off."""
    from mwaactl.local.report import console
    from mwaactl.release import looking, show

    found = looking.status(environment_of(name, source))
    if form == "json":
        click.echo(json.dumps(found.as_data(), indent=1))
    else:
        out = console()
        out.print(f"{name}: {show.summary(found.record) if found.record else 'no release yet'}")
        for line in found.lines():
            out.print(f"  {line}", markup=False)
    if not found.good:
        raise SystemExit(FAILED)


@release.command()
@environment_options
@click.option("-n", "--last", default=20, show_default=True, type=click.IntRange(1), help="How many.")
@as_json
def history(name: str, source: Path, last: int, form: str) -> None:
    """Print the releases of an environment, newest first."""
    from mwaactl.release import looking, show

    current, records = looking.history(environment_of(name, source), last)
    if form == "json":
        data: list[dict[str, Any]] = [show.record_data(one, current) for one in records]
        click.echo(json.dumps(data, indent=1))
    elif records:
        show.print_history(records, current)
    else:
        click.echo(f"{name} has no release yet.", err=True)
