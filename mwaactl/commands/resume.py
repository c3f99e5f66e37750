"""mwaactl resume: goes on with a failed run in an MWAA environment."""

import json
from pathlib import Path

import click

from mwaactl.commands._run import follow, limit
from mwaactl.commands.release import as_json, environment_of, environment_options


@click.command()
@click.argument("dag_id", metavar="DAG")
@click.argument("run_id", metavar="[RUN]", required=False)
@environment_options
@click.option("--skipped", is_flag=True, help="Also what was skipped; what the run's form left out stays out.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Follow the run to its end.")
@click.option("--unpause", is_flag=True, help="Unpause the DAG if it is paused.")
@limit
@as_json
def resume(
    dag_id: str,
    run_id: str | None,
    name: str,
    source: Path,
    skipped: bool,
    wait: bool,
    unpause: bool,
    timeout: int,
    form: str,
) -> None:
    """Go on with the run RUN of DAG, or its last failed one: what failed runs again, and what waited for it.

    Exit status 0 only if the run succeeded (with --no-wait: goes on).
    """
    from mwaactl.release import resuming

    environment = environment_of(name, source)
    resumed = resuming.resume(environment, dag_id, run_id, skipped, unpause)
    click.echo(f"{dag_id}: {resumed.run_id}", err=True)
    click.echo(f"{len(resumed.tasks)} tasks run again: {', '.join(resumed.tasks[:10])}", err=True)
    if not wait:
        data = {"dag_id": dag_id, "run_id": resumed.run_id, "tasks": resumed.tasks}
        click.echo(json.dumps(data) if form == "json" else resumed.run_id)
        return
    follow(environment, dag_id, resumed.run_id, timeout, form)
