"""mwaactl trigger: one run of a DAG in an MWAA environment."""

import json
from pathlib import Path

import click

from mwaactl.commands._run import follow, limit
from mwaactl.commands.release import as_json, environment_of, environment_options


@click.command()
@click.argument("dag_id", metavar="DAG")
@environment_options
@click.option("--conf", default="{}", help="The run's parameters, a JSON object (what the trigger form fills in).")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Follow the run to its end.")
@click.option("--unpause", is_flag=True, help="Unpause the DAG if it is paused.")
@limit
@as_json
def trigger(
    dag_id: str, name: str, source: Path, conf: str, wait: bool, unpause: bool, timeout: int, form: str
) -> None:
    """Run DAG once, through MWAA's InvokeRestApi.

    Exit status 0 only if the run succeeded (with --no-wait: was accepted).
    """
    from mwaactl.release import runs

    try:
        parameters = json.loads(conf)
    except ValueError as error:
        raise click.BadParameter(f"{conf!r} is not JSON: {error}", param_hint="--conf") from error
    if not isinstance(parameters, dict):
        raise click.BadParameter(f"{conf!r} is not a JSON object.", param_hint="--conf")
    environment = environment_of(name, source)
    run_id = runs.trigger(environment, dag_id, parameters, unpause)
    click.echo(f"{dag_id}: {run_id}", err=True)
    if not wait:
        click.echo(json.dumps({"dag_id": dag_id, "run_id": run_id}) if form == "json" else run_id)
        return
    follow(environment, dag_id, run_id, timeout, form)
