"""Plans, releases and verdicts for people (tables) and for programs (plain data)."""

from collections.abc import Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from mwaactl.local.report import console
from mwaactl.release.applying import Applied
from mwaactl.release.planning import Plan
from mwaactl.release.record import Record

_SHOWN = 20
_SIGNS = {"added": ("+", "green"), "changed": ("~", "yellow"), "removed": ("-", "red"), "drifted": ("!", "magenta")}


def plan_data(plan: Plan) -> dict[str, Any]:
    """Return a plan as plain data."""
    update = plan.update
    return {
        "environment": plan.environment.name,
        "nothing": plan.nothing,
        "current": plan.current.release if plan.current else None,
        "unfinished": plan.state.unfinished,
        "held": plan.state.holder() if plan.state.held else None,
        **{name: list(getattr(plan, name)) for name in _SIGNS},
        "unchanged": len(plan.same),
        "upload_bytes": sum(plan.wanted.files[path].size for path in plan.uploads),
        "update": update
        and {
            "files": list(update.files),
            "options": list(update.options),
            "strategy": update.strategy,
            "why": update.why,
            "takes": update.takes,
            "running_tasks": update.tasks,
        },
    }


def print_plan(plan: Plan) -> None:
    """Print a plan: what is in force, what changes, what that does to the environment."""
    out = console()
    current = plan.current
    out.print(f"{plan.environment.name}: {summary(current) if current else 'no release yet'}")
    if plan.state.held:
        out.print(f"[yellow]Being changed now: {escape(plan.state.holder())}[/]")
    elif plan.state.unfinished:
        out.print(f"[yellow]{plan.state.unfinished} was interrupted: files of two releases may be in the bucket.[/]")
    if plan.nothing:
        out.print(f"Nothing to release: {len(plan.same)} files are as they should be.")
        _drift(plan)
        return
    table = Table.grid(padding=(0, 1))
    for name in ("added", "changed", "removed"):
        sign, colour = _SIGNS[name]
        paths = getattr(plan, name)
        for path in paths[:_SHOWN]:
            table.add_row(f"[{colour}]{sign}[/]", escape(path), _size(plan, path))
        if len(paths) > _SHOWN:
            table.add_row(f"[{colour}]{sign}[/]", f"and {len(paths) - _SHOWN} more", "")
    if table.row_count:
        out.print(table)
    out.print(
        f"{len(plan.added)} added, {len(plan.changed)} changed, {len(plan.removed)} removed, {len(plan.same)} unchanged"
    )
    _drift(plan)
    if plan.update is None:
        out.print("The environment needn't be updated; running tasks go on.")
        return
    out.print(f"The environment must be updated: {', '.join((*plan.update.files, *plan.update.options))}")
    out.print(f"  takes        {plan.update.takes}")
    out.print(f"  replacement  {plan.update.strategy.lower()} ({plan.update.why}): {plan.update.tasks}")


def _drift(plan: Plan) -> None:
    if plan.drifted and plan.current:
        listed = ", ".join(plan.drifted[:3]) + (", ..." if len(plan.drifted) > 3 else "")
        console().print(
            f"[magenta]{len(plan.drifted)} objects are not what {plan.current.release} put there: {escape(listed)}[/]"
        )


def _size(plan: Plan, path: str) -> str:
    file = plan.wanted.files.get(path)
    return f"[dim]{file.size:,}[/]" if file else ""


def summary(record: Record) -> str:
    """Return a release in one line."""
    commit = f", commit {record.commit[:12]}{' with changes' if record.dirty else ''}" if record.commit else ""
    restored = f", which brought back {record.restores}" if record.restores else ""
    return f"{record.release}{restored}, {record.created} by {escape(record.who)}{commit}"


def record_data(record: Record, current: str | None) -> dict[str, Any]:
    """Return a release as plain data, without its files."""
    return {
        "release": record.release,
        "current": record.release == current,
        "created": record.created,
        "who": record.who,
        "commit": record.commit,
        "dirty": record.dirty,
        "previous": record.previous,
        "restores": record.restores,
        "files": len(record.files),
        "changed": dict(record.changed),
        "dags": sorted(record.dags),
        "pins": dict(record.pins),
        "verified": record.verified,
    }


def print_history(records: Sequence[Record], current: str | None) -> None:
    """Print releases, newest first."""
    table = Table(box=None)
    for column in ("", "release", "when", "who", "commit", "changed", "proof"):
        table.add_column(column)
    for one in records:
        changes = ", ".join(f"{count} {name}" for name, count in one.changed.items() if count) or "nothing in files"
        if one.restores:
            changes = f"back to {one.restores}"
        proof = "not verified" if one.verified is None else "runs" if one.verified["good"] else "[red]did not run[/]"
        commit = (one.commit or "")[:12] + ("+" if one.dirty else "")
        mark = "[green]*[/]" if one.release == current else ""
        table.add_row(mark, one.release, one.created, escape(one.who.rsplit("/", 1)[-1]), commit, changes, proof)
    console().print(table)


def applied_data(applied: Applied) -> dict[str, Any]:
    """Return what an apply or a rollback did, as plain data."""
    verdict = applied.verdict
    return {
        **plan_data(applied.plan),
        "release": applied.record.release,
        "restores": applied.record.restores,
        "verified": verdict.as_record() if verdict else None,
        "taken_back": applied.taken_back.release if applied.taken_back else None,
    }
