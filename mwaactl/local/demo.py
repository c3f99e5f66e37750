"""`make run`: one day of data from the bucket to the marts."""

import json
import sys
import time
from datetime import date, timedelta
from typing import Any

import click

from mwaactl import environments, landing
from mwaactl.errors import Problem
from mwaactl.local import control, follow, report, sink, warehouse
from mwaactl.local.api import Api
from mwaactl.local.follow import Run
from mwaactl.local.layout import Layout
from mwaactl.release.rest import Rest
from mwaactl.release.runs import ready, trigger

LOAD, TRANSFORM, PROJECT = "flights_load", "flights_transform", "flights"
ASSET_PATIENCE = 20.0  # seconds within which an updated asset starts its DAG; it takes one or two
SHOWN = 3  # marts of which rows are printed


def day_interval(day: str) -> tuple[str, str]:
    """Return the data interval of `day` (YYYY-MM-DD) as two ISO dates. Raises Problem when it isn't a day with data."""
    try:
        first = date.fromisoformat(day)
    except ValueError:
        raise Problem(f"{day} is not a day.", "Write it as 2013-01-31.", 2) from None
    if not landing.FIRST_DAY <= first <= landing.LAST_DAY:
        raise Problem(f"There is no data of {day}.", f"The data is of {landing.FIRST_DAY} to {landing.LAST_DAY}.", 2)
    return f"{first}T00:00:00Z", f"{first + timedelta(days=1)}T00:00:00Z"


def run(layout: Layout, day: str, form: str) -> None:
    """Start the environment if need be, load `day`, transform it, print what happened; exit with 0 if all succeeded."""
    interval = day_interval(day)
    found = control.up(layout)
    if found.import_errors:
        for error in found.import_errors:
            click.echo(f"{error['filename']} can't be imported:\n{error['stack_trace']}", err=True)
        raise Problem("A DAG file can't be imported.", "Correct it, then repeat the command.")
    api, environment = Api.of(layout), environments.read(environments.LOCAL, layout.source, layout)
    messages_before = len(sink.read_messages(layout.messages_file))
    runs: list[Run] = []

    ready(Rest(environment), TRANSFORM, unpause=True)
    began = time.time()
    runs.append(follow.follow(api, LOAD, trigger(environment, LOAD, {}, unpause=True, interval=interval)))
    if runs[-1].state == "success":
        asset = follow.wait_for_run(api, TRANSFORM, began, ASSET_PATIENCE, lambda kind: kind.startswith("asset"))
        if not asset:
            click.echo(f"{TRANSFORM} did not start by its asset within {ASSET_PATIENCE:.0f} s; starting it.", err=True)
        runs.append(follow.follow(api, TRANSFORM, asset or trigger(environment, TRANSFORM, {})))

    succeeded = len(runs) == 2 and all(one.succeeded for one in runs)
    messages = sink.read_messages(layout.messages_file)[messages_before:]
    tables: list[warehouse.Sample] = []
    if succeeded:
        file = layout.warehouse / f"{PROJECT}_dev.duckdb"
        tables = warehouse.samples(file, warehouse.marts(layout.source / "dbt" / PROJECT))
    if form == "json":
        click.echo(json.dumps(_as_data(runs, tables, messages, api.url, succeeded), indent=1, default=str))
    else:
        _print(runs, tables, messages, api, layout)
    for one in runs:
        report.show_failures(api, one)
    sys.exit(0 if succeeded else 1)


def _as_data(
    runs: list[Run], tables: list[warehouse.Sample], messages: list[dict[str, Any]], url: str, succeeded: bool
) -> dict[str, Any]:
    return {
        "succeeded": succeeded,
        "ui": url,
        "runs": [report.as_data(one) for one in runs],
        "marts": {
            table.name: {
                "rows": table.count,
                "first": [dict(zip(table.columns, row, strict=True)) for row in table.rows],
            }
            for table in tables
        },
        "messages": messages,
    }


def _print(
    runs: list[Run], tables: list[warehouse.Sample], messages: list[dict[str, Any]], api: Api, layout: Layout
) -> None:
    console = report.console()
    for one in runs:
        console.print(report.tasks_table(one))
        console.print()
    for table in tables[:SHOWN]:
        shown = report.rows_table(table.name, table.count, table.columns, table.rows, console.width)
        console.print(shown)
        console.print()
    if tables[SHOWN:]:
        console.print("Other marts: " + ", ".join(f"{table.name} ({table.count:,} rows)" for table in tables[SHOWN:]))
    if tables:
        console.print(f"Warehouse:   {layout.warehouse / f'{PROJECT}_dev.duckdb'} (DuckDB)")
    said = f"{len(messages)} in this run; read them with `make messages`" if messages else "none in this run"
    console.print(f"Slack, mail: {said} ({layout.messages_file})")
    console.print(f"Airflow UI:  {api.url}")
