"""mwaactl local: MWAA on one machine."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from click.decorators import FC
from rich.console import Console
from rich.table import Table

from mwaactl.errors import INTERRUPTED, Problem
from mwaactl.local.layout import Layout

as_json = click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print it.")


def layout_options(function: FC) -> FC:
    """Add --dir and --source, and hand the command a Layout."""
    for option in (
        click.option("--source", type=click.Path(path_type=Path, exists=True, file_okay=False), envvar="MWAACTL_SOURCE",
                     help="The project to run (MWAACTL_SOURCE). Default: this repository."),
        click.option("--dir", "directory", type=click.Path(path_type=Path, file_okay=False), envvar="MWAACTL_LOCAL_DIR",
                     help="The environment's directory (MWAACTL_LOCAL_DIR). Default: .local/environment."),
    ):  # fmt: skip
        function = option(function)
    return function


@click.group()
def local() -> None:
    """MWAA on one machine: boots from a bucket as MWAA does, with real Airflow and stand-ins for AWS, Slack and mail.

    Ports are free ones; MWAACTL_UI_PORT, MWAACTL_AWS_PORT, MWAACTL_MWAA_PORT, MWAACTL_SLACK_PORT and
    MWAACTL_MAIL_PORT choose.
    """


def talk(text: str = "") -> None:
    """Say something to the person, on stderr."""
    click.echo(text, err=True)


def _finish(found: Any, show: Callable[[Any], None]) -> None:
    from mwaactl.local.control import exit_status

    show(found)
    sys.exit(exit_status(found))


def _print_import_errors(found: Any) -> None:
    for error in found.import_errors:
        talk(click.style(f"\n{error['filename']} can't be imported:", fg="red"))
        talk("  " + "\n  ".join(error["stack_trace"].strip().splitlines()[-12:]))
    if found.import_errors:
        talk("  -> Correct the file; it is synced with `make up`.")


@local.command()
@layout_options
def up(directory: Path | None, source: Path | None) -> None:
    """Start the environment unless it runs, release the project to it; leaves it running."""
    from mwaactl.local import control

    try:
        found = control.up(Layout.of(directory, source))
    except KeyboardInterrupt:
        raise Problem("Interrupted; the environment goes on with what it was told.", exit_code=INTERRUPTED) from None
    for note in found.notes:
        talk(note)
    if found.healthy:
        talk(f"Airflow is up with {len(found.dags)} DAGs: {found.urls['ui']}")
    _finish(found, _print_import_errors)


@local.command()
@layout_options
@click.option("--delete", is_flag=True, help="Remove the environment's directory, too: database, warehouse, logs.")
def down(directory: Path | None, source: Path | None, delete: bool) -> None:
    """Stop the environment: every process of it ends, whatever state it is in."""
    from mwaactl.local import control

    layout = Layout.of(directory, source)
    talk("The environment is stopped." if control.down(layout, delete) else "Nothing was running.")


@local.command()
@layout_options
@as_json
def status(directory: Path | None, source: Path | None, form: str) -> None:
    """Say whether the environment is up and healthy. Exit status: 0 healthy, 1 not, 3 not running."""
    from mwaactl.local import control

    found = control.status(Layout.of(directory, source))
    if form == "json":
        click.echo(json.dumps({**asdict(found), "healthy": found.healthy}, indent=1))
        sys.exit(control.exit_status(found))
    _finish(found, _print_status)


def _print_status(found: Any) -> None:
    console = Console(highlight=False, soft_wrap=True)
    up_for = f", for {(time.time() - found.since) / 60:.0f} min, {found.memory_mb} MB" if found.since else ""
    console.print(f"{found.phase}{up_for}", style="green" if found.healthy else "red")
    table = Table.grid(padding=(0, 2))
    for name, url in found.urls.items():
        table.add_row(name, url)
    for name, component in found.components.items():
        table.add_row(name, "healthy" if component["healthy"] else "[red]no sign of life[/]")
    for dag in found.dags:
        table.add_row(dag["dag_id"], f"{dag['file']}{' (paused)' if dag['paused'] else ''}")
    if table.row_count:
        console.print(table)
    if found.error:
        talk(f"{found.error['what']}\n  -> {found.error['next']}")
    _print_import_errors(found)


@local.command()
@layout_options
@click.argument("component", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on printing what is written, until interrupted.")
@click.option(
    "-n", "--lines", type=int, default=40, show_default=True, help="How many lines of each log to begin with."
)
def logs(directory: Path | None, source: Path | None, component: str | None, follow: bool, lines: int) -> None:
    """Print the logs of all components, or of one (api-server, scheduler, dag-processor, startup-worker, ...)."""
    from mwaactl.local import logfiles

    layout = Layout.of(directory, source)
    try:
        for line in logfiles.lines(layout.logs, component, lines, follow):
            click.echo(line)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


@local.command()
@layout_options
@as_json
@click.option("--clear", is_flag=True, help="Forget them after printing.")
def messages(directory: Path | None, source: Path | None, form: str, clear: bool) -> None:
    """Print what Slack and the mail server received, threads as Slack shows them; --format json: as it came in."""
    from mwaactl.local import sink

    path = Layout.of(directory, source).messages_file
    found = sink.read_messages(path)
    if form == "json":
        click.echo(json.dumps(found, indent=1, ensure_ascii=False))
    for message in sink.as_seen(found) if form == "text" else ():
        where = message.get("channel") or ", ".join(message.get("to", ())) or "webhook"
        indent = "    " if message.get("reply") else ""
        edited = " (edited)" if message.get("edited") else ""
        click.echo(f"{indent}{message['at']}  {'reply' if indent else message['via']}  {where}{edited}")
        click.echo(f"{indent}    " + sink.plain_text(message).strip().replace("\n", f"\n{indent}    "))
    if not found:
        talk("No messages.")
    if clear:
        path.unlink(missing_ok=True)


@local.command()
@layout_options
@click.argument("sql")
@click.option("--database", default="flights_dev", show_default=True, help="PROJECT_TARGET: which DuckDB file.")
@as_json
def query(directory: Path | None, source: Path | None, sql: str, database: str, form: str) -> None:
    """Print the rows of a query on the local warehouse, opened read-only. Works on a stopped environment, too."""
    from mwaactl.local import report, warehouse

    columns, rows = warehouse.query(Layout.of(directory, source).warehouse / f"{database}.duckdb", sql)
    if form == "json":
        click.echo(json.dumps([dict(zip(columns, row, strict=True)) for row in rows], indent=1, default=str))
        return
    table = Table(box=None)
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    report.console().print(table)


@local.command()
@layout_options
@as_json
@click.option("--day", default="2013-01-01", show_default=True, help="The day of data to load.")
def run(directory: Path | None, source: Path | None, form: str, day: str) -> None:
    """Load one day, transform it, show what came out. Exit status 0 only if all of it succeeded."""
    from mwaactl.local import demo

    demo.run(Layout.of(directory, source), day, form)


@local.command()
@layout_options
@click.argument("dag_id")
@click.option("--conf", default="{}", help="The run's parameters, a JSON object (what the trigger form fills in).")
@click.option("--logical-date", help="The run's logical date, ISO 8601, UTC if it names no zone; default: none.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Follow the run to its end.")
@as_json
def trigger(
    directory: Path | None, source: Path | None, dag_id: str, conf: str, logical_date: str | None, wait: bool, form: str
) -> None:
    """Run a DAG once. Exit status 0 only if the run succeeded (with --no-wait: was accepted)."""
    from mwaactl import environments
    from mwaactl.local import follow, report
    from mwaactl.local.api import Api
    from mwaactl.release import runs

    try:
        parameters = json.loads(conf)
    except ValueError as error:
        raise click.BadParameter(f"{conf!r} is not JSON: {error}", param_hint="--conf") from error
    if not isinstance(parameters, dict):
        raise click.BadParameter(f"{conf!r} is not a JSON object.", param_hint="--conf")
    layout = Layout.of(directory, source)
    api, environment = Api.of(layout), environments.read(environments.LOCAL, layout.source, layout)
    date = logical_date and follow.moment(logical_date)
    run_id = runs.trigger(environment, dag_id, parameters, unpause=True, logical_date=date)
    talk(f"{dag_id}: {run_id}")
    if not wait:
        click.echo(run_id)
        return
    ended = follow.follow(api, dag_id, run_id)
    report.show_run(api, ended, form)
    sys.exit(0 if ended.succeeded else 1)
