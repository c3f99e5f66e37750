"""mwaactl backfill: days again, in one command."""

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mwaactl.commands._run import limit
from mwaactl.commands.release import as_json, environment_of, environment_options
from mwaactl.errors import FAILED, INTERRUPTED, Problem

if TYPE_CHECKING:
    from mwaactl.environments import Environment
    from mwaactl.release.backfilling import Days
    from mwaactl.release.steps import Steps

_DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.argument("dag_id", metavar="DAG")
@environment_options
@click.option("--from", "first", type=_DAY, required=True, help="The first day.")
@click.option("--to", "last", type=_DAY, required=True, help="The last day; it is included.")
@click.option("--max-active", "active", default=4, show_default=True, type=click.IntRange(1), help="Runs at a time.")
@click.option("--then", "then", metavar="DAG", help="When all days have succeeded: one run of this DAG over them.")
@click.option("--unpause", is_flag=True, help="Unpause the DAGs if they are paused.")
@limit
@as_json
def backfill(
    dag_id: str,
    name: str,
    source: Path,
    first: datetime,
    last: datetime,
    active: int,
    then: str | None,
    unpause: bool,
    timeout: int,
    form: str,
) -> None:
    """Run DAG again for each day: by Airflow's backfill, days that had a run before included.

    A DAG whose trigger form has a first and last day gets one run with these days instead. Exit status 0 only if every
    run succeeded.
    """
    from mwaactl.release import backfilling
    from mwaactl.release.steps import shown

    days = backfilling.Days(first.date(), last.date())
    environment = environment_of(name, source)
    windowed = backfilling.has_window(environment, dag_id)
    if then:
        backfilling.check_over_days(environment, then, unpause)
    done: list[dict[str, Any]] = []
    problem: Problem | None = None
    try:
        with shown() as steps:
            if windowed:
                done.append(_window(environment, dag_id, days, unpause, timeout, steps))
            else:
                started = backfilling.start(environment, dag_id, days, active, unpause)
                done.append(backfilling.follow(environment, started, steps, timeout).as_data())
            if then and done[0]["succeeded"]:
                done.append(_window(environment, then, days, unpause, timeout, steps))
    except KeyboardInterrupt:
        problem = Problem(
            "Interrupted; what was started goes on.", "In the UI, *Backfills* pauses or cancels it.", INTERRUPTED
        )
    except Problem as error:
        problem = error
    if problem and not done:
        raise problem
    good = not problem and all(one["succeeded"] for one in done)
    if form == "json":
        click.echo(json.dumps({"succeeded": good, "steps": done}, indent=1))
    else:
        for one in done:
            click.echo(f"{one['dag_id']}: {_words(one)}")
    for text in (text for one in done for text in _troubles(one)):
        click.echo(text, err=True)
    if problem:
        raise problem
    if not good:
        raise SystemExit(FAILED)


def _window(
    environment: "Environment", dag_id: str, days: "Days", unpause: bool, seconds: int, steps: "Steps"
) -> dict[str, Any]:
    from mwaactl.release import backfilling, runs

    run_id = runs.trigger(environment, dag_id, backfilling.conf(days), unpause)
    run = runs.wait(environment, dag_id, run_id, steps, seconds)
    return {**run.as_data(), "succeeded": run.succeeded}


def _words(one: dict[str, Any]) -> str:
    if "runs" not in one:
        return f"{one['run_id']} {one['state']}"
    succeeded = sum(run["state"] == "success" for run in one["runs"])
    days = len(one["runs"]) + len(one["left_out"])
    return f"{succeeded} of {days} days succeeded, {one['from']} to {one['to']}"


def _troubles(one: dict[str, Any]) -> list[str]:
    """Return a line for each run that didn't succeed, and for each day without one."""
    if "runs" not in one:
        return [] if one["succeeded"] else [f"{one['state']}: {one['dag_id']} {one['run_id']}"]
    found = [f"{run['state']}: {one['dag_id']} {run['dag_run_id']}" for run in one["runs"] if run["state"] != "success"]
    return [*found, *(f"left out, its own run hasn't ended: {one['dag_id']} {day}" for day in one["left_out"])]
