"""mwaactl history: what dbt's results were, also of what is gone."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from mwaactl.errors import Problem
from mwaactl.local.layout import REPOSITORY, Layout

_RUNS: tuple[str, ...] = ("started", "dag_id", "run_id", "results", "failed", "took", "worker_seconds", "release")
_RESULTS: tuple[str, ...] = (
    "started",
    "name",
    "status",
    "seconds",
    "rows",
    "failures",
    "try_number",
    "dag_id",
    "run_id",
)
_SLOWEST: tuple[str, ...] = (
    "name",
    "resource_type",
    "results",
    "failed",
    "mean_seconds",
    "longest_seconds",
    "worker_seconds",
)


@click.command()
@click.argument("node", required=False)
@click.option("--failed", is_flag=True, help="Failed results only.")
@click.option("--slowest", is_flag=True, help="Nodes by what they cost, most first.")
@click.option("--since", "since_", metavar="WHEN", help="From then on: 36h, 7d, 4w, or a date (UTC). Default: always.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Rows at most.")
@click.option("-e", "--environment", "name", default="local", show_default=True,
              help="Which one of infra/environments.yaml, or `local`.")  # fmt: skip
@click.option("--source", type=click.Path(path_type=Path, exists=True, file_okay=False), default=REPOSITORY,
              envvar="MWAACTL_SOURCE", help="The project (MWAACTL_SOURCE). Default: this repository.")  # fmt: skip
@click.option("--dir", "directory", type=click.Path(path_type=Path, file_okay=False), envvar="MWAACTL_LOCAL_DIR",
              help="The local environment (MWAACTL_LOCAL_DIR).")  # fmt: skip
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print it.")
def history(
    node: str | None,
    failed: bool,
    slowest: bool,
    since_: str | None,
    limit: int,
    name: str,
    source: Path,
    directory: Path | None,
    form: str,
) -> None:
    """Print the latest runs; of NODE (a name or a unique id): its results, latest first.

    Nodes that were renamed or removed keep their past. What is new in the bucket is copied first.
    """
    from mwaa_dbt.history import queries

    from mwaactl import environments
    from mwaactl import history as reading

    if node and slowest:
        raise click.UsageError("--slowest compares all nodes: leave NODE out.")
    if failed and slowest:
        raise click.UsageError("--slowest counts the failed among all results: leave --failed out.")
    try:
        begin = reading.since(since_) if since_ else 0.0
    except ValueError as error:
        raise Problem(f"--since {since_} is no moment.", "Write 36h, 7d, 4w, or a date such as 2026-11-01.") from error
    layout = Layout.of(directory, source)
    environment = environments.read(name, source.resolve(), layout)
    index = reading.read(environment, layout, lambda what: click.echo(f"reading {what}", err=True))
    if slowest:
        rows, columns = queries.slowest(index, since=begin, limit=limit), _SLOWEST
    elif node or failed:
        nodes = reading.nodes_of(index, node) if node else None
        rows, columns = queries.results(index, nodes, None, begin, failed, limit), _RESULTS
    else:
        rows = [one for one in queries.recent_runs(index, limit=limit) if one["ended"] >= begin]
        rows, columns = [{**one, "took": one["ended"] - one["started"]} for one in rows], _RUNS
    if form == "json":
        click.echo(json.dumps(rows))
        return
    if not rows:
        click.echo("No such results.", err=True)
    _print(rows, columns)


def _print(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in columns:
        numeric = isinstance(rows[0][column], (int, float)) and column != "started" if rows else False
        table.add_column(column.replace("_", " "), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_text(column, row[column])) for column in columns))
        if row.get("message") and len(rows) <= 20:
            table.add_row("", Text(row["message"].strip(), style="red"))
    Console(highlight=False, width=None if Console().is_terminal else 200).print(table)


def _text(column: str, value: Any) -> str:
    if value is None:
        return ""
    if column == "started":
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"{value:,.1f}" if isinstance(value, float) else str(value)
