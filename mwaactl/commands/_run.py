"""What `mwaactl trigger` and `mwaactl wait` share: following a run, and saying how it ended."""

import json
from typing import TYPE_CHECKING

import click

from mwaactl.errors import FAILED, INTERRUPTED, Problem

if TYPE_CHECKING:
    from mwaactl.environments import Environment

limit = click.option(
    "--timeout", default=6 * 3600, show_default=True, type=click.IntRange(1), help="Seconds to wait for the run's end."
)


def follow(environment: "Environment", dag_id: str, run_id: str, seconds: int, form: str) -> None:
    """Follow a run to its end, print it; exit with 0 only if it succeeded."""
    from mwaactl.release import runs
    from mwaactl.release.steps import shown

    try:
        with shown() as steps:
            run = runs.wait(environment, dag_id, run_id, steps, seconds)
    except KeyboardInterrupt:
        again = f"`mwaactl wait {dag_id} {run_id} -e {environment.name}` follows it again."
        raise Problem(f"Interrupted; {dag_id} {run_id} goes on.", again.capitalize(), INTERRUPTED) from None
    if form == "json":
        click.echo(json.dumps(run.as_data(), indent=1))
    else:
        click.echo(f"{dag_id} {run_id}: {run.words()}")
    if not run.succeeded:
        for name in run.failed:
            click.echo(f"failed: {name}", err=True)
        raise SystemExit(FAILED)
