"""`python -m bench`: measure, print the tables, keep them. See docs/benchmarks.md."""

from __future__ import annotations

import argparse
import datetime
import shutil
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from bench import arms, machine, report
from bench.environment import ROOT
from bench.results import SECTIONS, Results
from bench.session import Plan, Session
from mwaactl.errors import Problem
from mwaactl.local.layout import REPOSITORY

KEPT = REPOSITORY / "bench" / "results"
DOCUMENT = REPOSITORY / "docs" / "benchmarks.md"
SIZES = (10, 100, 1000, 5000)


def arguments(line: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(
        prog="make bench",
        description="Measures what a dbt task costs on Airflow, beside no-op tasks and stock Cosmos.",
        epilog='For example: make bench ARGS="--sizes 10,100 --arms noop,ours --sections runs". '
        "Interrupt it with Ctrl-C: what was measured so far is printed and kept. "
        "Arms: " + "; ".join(f"{arm.key}: {arm.title} ({arm.how})" for arm in arms.ARMS.values()),
    )
    parser.add_argument("--sizes", help=f"models of the projects (default: {','.join(map(str, SIZES))}; quick: 10,100)")
    parser.add_argument("--arms", help=f"default: {','.join(arms.ARMS)}; quick: noop,ours,local")
    parser.add_argument("--sections", help=f"default: {','.join(SECTIONS)}; quick: all but cold_start")
    parser.add_argument("--minutes", type=float, help="begin no further run after so long (default: 45; quick: 4)")
    parser.add_argument("--quick", action="store_true", help="a short form for every day, kept in .local/bench only")
    parser.add_argument(
        "--document", action="store_true", help="put the tables into docs/benchmarks.md, if all was measured"
    )
    parser.add_argument("--show", type=Path, metavar="FILE", help="measure nothing, print the tables of a result")
    return parser.parse_args(line)


def _chosen(text: str | None, default: tuple[str, ...], known: tuple[str, ...], what: str) -> list[str]:
    wanted = [part.strip() for part in text.split(",")] if text else list(default)
    if unknown := [part for part in wanted if part not in known]:
        sys.exit(f"bench: there is no {what} {', '.join(unknown)}. Known: {', '.join(known)}.")
    return wanted


def plan(options: argparse.Namespace) -> Plan:
    """Return the plan that the options ask for. Exits with a message for names that don't exist."""
    quick = options.quick
    sizes = _chosen(options.sizes, ("10", "100") if quick else tuple(map(str, SIZES)), tuple(map(str, SIZES)), "size")
    chosen = _chosen(options.arms, ("noop", "ours", "local") if quick else tuple(arms.ARMS), tuple(arms.ARMS), "arm")
    sections = _chosen(
        options.sections, tuple(s for s in SECTIONS if not quick or s != "cold_start"), SECTIONS, "section"
    )
    return Plan(sorted(map(int, sizes)), chosen, sections, options.minutes or (4 if quick else 45), quick)


def main() -> int:
    """Measure what the command line asks for; return the exit status: 130 if it was interrupted."""
    options = arguments()
    if options.show:
        print(report.markdown(Results.read(options.show)))
        return 0
    wanted = plan(options)
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    results = Results(ROOT / "latest.json", {"date": date, "state": "incomplete", "quick": wanted.quick})
    session = Session(wanted, results)
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell has it ignored
        signal.signal(number, signal.default_int_handler)
    status = 0
    try:
        session.prepare()
        results.about(**machine.describe(session.environment.dbt_venv))
        session.measure()
        results.about(state="complete")
    except KeyboardInterrupt:
        status = 130
        session.told("interrupted; this is what was measured so far")
    except Problem as problem:
        print(f"bench: {problem}", file=sys.stderr)
        status = 1
    results.about(minutes=round((time.monotonic() - session.began) / 60, 1))
    text = report.markdown(results)
    print(text)
    kept = ROOT / "latest.json"
    whole = wanted == replace(plan(arguments([])), minutes=wanted.minutes)
    if whole and status != 1:
        kept = KEPT / f"{date}-{results.content['about'].get('commit', 'unknown')}.json"
        shutil.copyfile(results.path, kept)
        kept.with_suffix(".md").write_text(text)
    if options.document and whole and not status:
        report.into_document(text, DOCUMENT)
    print(f"Kept in {kept.relative_to(REPOSITORY)}.", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
