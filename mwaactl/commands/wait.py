"""mwaactl wait: follows a DAG run in an MWAA environment."""

from pathlib import Path

import click

from mwaactl.commands._run import follow, limit
from mwaactl.commands.release import as_json, environment_of, environment_options


@click.command()
@click.argument("dag_id", metavar="DAG")
@click.argument("run_id", metavar="RUN")
@environment_options
@limit
@as_json
def wait(dag_id: str, run_id: str, name: str, source: Path, timeout: int, form: str) -> None:
    """Follow the run RUN of DAG to its end. Exit status 0 only if it succeeded."""
    follow(environment_of(name, source), dag_id, run_id, timeout, form)
