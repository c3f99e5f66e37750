"""What a run did, for people (a table) and for programs (JSON)."""

import json
from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from mwaactl.local import follow, progress
from mwaactl.local.api import Api
from mwaactl.local.follow import Run

COLOURS = {"success": "green", "failed": "red", "upstream_failed": "yellow", "skipped": "magenta", "running": "cyan"}


def console() -> Console:
    """Return the console for data: colour on a terminal only, nothing cut when it goes into a file."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=160)


def as_data(run: Run) -> dict[str, Any]:
    """Return a run as plain data."""
    keys = ("task_id", "map_index", "state", "duration", "try_number", "start_date", "end_date", "operator")
    return {
        "dag_id": run.dag_id,
        "run_id": run.run_id,
        "state": run.state,
        "seconds": round((run.ended or run.started) - run.started, 1),
        "tasks": [{key: task.get(key) for key in keys} for task in run.tasks],
    }


def tasks_table(run: Run) -> Table:
    """Return the table of a run's tasks in the order they started."""
    took = progress.seconds((run.ended or run.started) - run.started)
    colour = COLOURS.get(run.state, "white")
    table = Table(title=f"{run.dag_id}: [{colour}]{run.state}[/] in {took}", title_justify="left", box=None)
    for column, justify in (("task", "left"), ("state", "left"), ("duration", "right"), ("try", "right")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for task in run.tasks:
        state = task["state"] or "none"
        duration = f"{task['duration']:.1f} s" if task["duration"] is not None else ""
        table.add_row(
            task["task_id"], f"[{COLOURS.get(state, 'white')}]{state}[/]", duration, str(task["try_number"] or "")
        )
    return table


def rows_table(name: str, count: int, columns: Sequence[str], rows: Sequence[Sequence[Any]], width: int) -> Group:
    """Return a relation's first rows under its name, with as many of its columns as fit into `width` characters."""
    texts = [[f"{value:.2f}" if isinstance(value, float) else str(value) for value in row] for row in rows]
    needed = [max(len(text) for text in column) + 2 for column in zip(columns, *texts, strict=True)]
    fitting = max(1, sum(1 for n in range(len(needed)) if sum(needed[: n + 1]) <= width))
    said = f"{count:,} rows" + (f", {fitting} of {len(columns)} columns" if fitting < len(columns) else "")
    table = Table(box=None)
    for column in columns[:fitting]:
        table.add_column(column, no_wrap=True)
    for row in texts:
        table.add_row(*row[:fitting])
    return Group(Text(f"{name} ({said})", style="italic"), table)


def show_failures(api: Api, run: Run) -> None:
    """Say on stderr, for each failed task, what its log says and where to read on."""
    # `outcome` fails because others did.
    for task in [task for task in run.failed if task["operator"] != "Outcome"] or run.failed:
        click.echo(
            click.style(f"\n{run.dag_id}.{task['task_id']} failed (try {task['try_number']}):", fg="red"), err=True
        )
        for line in follow.log_lines(api, run, task):
            click.echo(f"  {line}", err=True)
        click.echo(f"  -> {api.url}/dags/{run.dag_id}/runs/{run.run_id}/tasks/{task['task_id']}", err=True)
    if run.state == "failed" and not run.failed:
        click.echo(f"{run.dag_id} failed although no task did: {api.url}/dags/{run.dag_id}/runs/{run.run_id}", err=True)


def show_run(api: Api, run: Run, form: str) -> None:
    """Print a run in the form "text" or "json", and its failures."""
    if form == "json":
        click.echo(json.dumps(as_data(run), indent=1))
    else:
        console().print(tasks_table(run))
    show_failures(api, run)
