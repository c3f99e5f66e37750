"""mwaactl airflow: Airflow's command line in an MWAA environment."""

import sys
from pathlib import Path

import click

from mwaactl.commands.release import environment_of, environment_options
from mwaactl.errors import FAILED


@click.command(context_settings={"ignore_unknown_options": True})
@environment_options
@click.argument("arguments", nargs=-1, required=True, type=click.UNPROCESSED)
def airflow(name: str, source: Path, arguments: tuple[str, ...]) -> None:
    """Run an `airflow` command in an environment, as far as MWAA lets it through.

    For example: mwaactl airflow -e local backfill create --dag-id flights_load --from-date 2013-01-01 --to-date
    2013-01-31. Put `--` before the command if it has an option -e itself. Exit status 0 only if it succeeded.
    """
    from mwaactl import airflow_cli

    answer = airflow_cli.run(environment_of(name, source), arguments)
    click.echo(answer.stderr, nl=False, err=True)
    click.echo(answer.stdout, nl=False)
    sys.exit(0 if answer.succeeded else FAILED)
