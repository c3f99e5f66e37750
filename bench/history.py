"""`python -m bench.history`: how long history takes to answer with 1,000,000 results in the bucket.

Makes a year of results, puts them into a bucket (moto, on this machine) as `history_gather` leaves them, and measures
what people wait for: the first copy into an index, later ones, each question of the page and of `mwaactl history`.
Prints the table that docs/history.md shows. A few minutes, 2 GB of memory; everything lies in .local/bench/history.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from mwaa_dbt.history import queries, record
from mwaa_dbt.history.critical_path import critical_path
from mwaa_dbt.history.index import Index
from mwaa_dbt.history.place import Place
from mwaa_dbt.history.record import Try
from mwaa_dbt.history.sync import sync

from bench.environment import ROOT
from bench.report import table
from mwaactl.local import aws
from mwaactl.local.layout import REGION

FOLDER = ROOT / "history"
PLACE = Place.beside("bench-history")
DAG, DAYS, NODES = "flights", 365, 1000
_DAY = 86400.0


def day_of_results(day: datetime, runs: int, nodes: int) -> Iterator[list[dict[str, Any]]]:
    """Yield the results of each try of a day's `runs` runs of a project of `nodes` nodes, two of five of them tests."""
    chance = random.Random(day.isoformat())
    for number in range(runs):
        begun = day + timedelta(seconds=number * _DAY / runs)
        run_id = f"scheduled__{begun:%Y-%m-%dT%H:%M:%S}"
        for node in range(nodes):
            test = node % 5 in (1, 3)
            unique_id = f"test.shop.not_null_model_{node}.{node:010x}" if test else f"model.shop.model_{node}"
            started = begun + timedelta(seconds=node * 3.0)
            seconds = (0.4 + node % 90 / 10) * chance.uniform(0.7, 1.6)
            status = chance.choices(("success", "error", "skipped"), (985, 10, 5))[0]
            status = {"success": "pass", "error": "fail"}.get(status, status) if test else status
            try_id = f"{number:04}-{node:06}-{day:%Y%m%d}-1"
            facts = {
                **{"command": "test" if test else "run", "dag_id": DAG, "run_id": run_id, "run_type": "scheduled"},
                **{"task_id": f"marts.model_{node}.{'test' if test else 'run'}", "map_index": -1, "try_number": 1},
                **{"about": unique_id, "depends_on": [f"model.shop.model_{max(node - 5, 0)}"], "target": "prod"},
                **{"project": "shop", "environment": "prod", "release": f"{day:%Y%m%d}", "logical_date": None},
                **{"manifest": "0123456789abcdef", "file": f"models/marts/model_{node}.sql"},
                "versions": {"airflow": "3.3.1", "dbt-core": "1.11.2"},
            }
            said = {
                **{"unique_id": unique_id, "status": status, "execution_time": seconds},
                **{"message": f"{status}: Got {node % 7 + 1} results, configured to fail if != 0" if test else status},
                "failures": (node % 7 + 1 if status == "fail" else 0) if test else None,
                "adapter_response": {"rows_affected": node * 10},
            }
            key = PLACE.result(started, DAG, try_id)
            tried = Try(key, try_id, started, facts, (unique_id,), lambda _: "c" * 64)
            yield tried.results([said], started + timedelta(seconds=seconds + 1), ("", ""))


def fill(s3: Any, results: int) -> str:
    """Put a year of `results` results into the bucket, the last day ungathered; return the id of the latest run."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    whole = results // NODES
    # Seven days are made, and the others copied from them with other dates.
    made: dict[tuple[int, int], tuple[datetime, bytes]] = {}
    latest = ""
    for back in range(DAYS, 0, -1):
        runs = whole * (DAYS - back + 1) // DAYS - whole * (DAYS - back) // DAYS
        day = today - timedelta(days=back)
        if not runs:
            continue
        if (runs, back % 7) not in made:
            made[runs, back % 7] = day, b"".join(map(record.dumps, day_of_results(day, runs, NODES)))
        model, lines = made[runs, back % 7]
        for form in ("%Y-%m-%d", "%Y%m%d"):
            lines = lines.replace(f"{model:{form}}".encode(), f"{day:{form}}".encode())
        s3.put_object(Bucket=PLACE.bucket, Key=PLACE.day(f"{day:%Y-%m-%d}"), Body=gzip.compress(lines, 1, mtime=0))
        latest = json.loads(lines[lines.rindex(b"\n", 0, -1) + 1 :])["run_id"]
    return latest


def one_more_run(s3: Any, nodes: int) -> None:
    """Put a run of `nodes` nodes into the bucket as its tasks write it: one object per try."""
    for tried in day_of_results(datetime.now(UTC) - timedelta(hours=1), 1, nodes):
        s3.put_object(Bucket=PLACE.bucket, Key=tried[0]["key"], Body=record.dumps(tried))


def seconds(what: Callable[[], Any], times: int = 5) -> float:
    """Return the median of how long `what` takes."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        what()
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def questions(index: Index, run_id: str) -> dict[str, Callable[[], Any]]:
    """Return what the page asks, as the page does it."""
    now, dags = time.time(), queries.dag_ids(index)

    def node(name: str, days: int) -> Any:
        return queries.results(index, queries.resolve(index, name), dags, now - days * _DAY, limit=5000)

    def run() -> Any:
        return critical_path(queries.run_tries(index, DAG, run_id))

    return {
        "page: recent runs": lambda: queries.recent_runs(index, dags),
        f"page: a run of {NODES:,} tasks, with its critical path": run,
        "page: a node, 90 days": lambda: node("model_502", 90),
        "page: a node, all of its past": lambda: node("model_502", 3650),
        "page: nodes by a part of their name": lambda: queries.search(index, "77", dags),
        "page: failing tests, 14 days": lambda: queries.failing_tests(index, dags, now - 14 * _DAY),
        "page: failing tests, a year": lambda: queries.failing_tests(index, dags, now - 365 * _DAY),
        "page: cost, 30 days": lambda: queries.slowest(index, dags, now - 30 * _DAY),
        "page: cost, a year": lambda: queries.slowest(index, dags, now - 365 * _DAY),
    }


def command(*arguments: str) -> None:
    """Run `mwaactl history` as a person does. Raises CalledProcessError."""
    line = [sys.executable, "-m", "mwaactl", "history", "-e", "bench", "--source", str(FOLDER), *arguments]
    subprocess.run(line, check=True, capture_output=True)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.history", description=__doc__)
    parser.add_argument("--results", type=int, default=1_000_000, help="in the bucket (default: 1,000,000)")
    options = parser.parse_args()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    server = aws.start(port)
    os.environ.update(aws.credentials(port, port), XDG_CACHE_HOME=str(FOLDER))
    (FOLDER / "infra").mkdir()
    entry = {"mwaa": "bench", "bucket": PLACE.bucket, "region": REGION, "account": aws.ACCOUNT, "target": "prod"}
    (FOLDER / "infra" / "environments.yaml").write_text(json.dumps({"bench": entry}))
    s3 = aws.client("s3", port)
    s3.create_bucket(Bucket=PLACE.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    rows: list[list[str]] = []

    def told(what: str, value: float) -> None:
        rows.append([what, f"{value:.2f} s" if value >= 1 else f"{1000 * value:.0f} ms"])
        print(f"{rows[-1][1]:>10}  {what}", file=sys.stderr, flush=True)

    try:
        print("making the results ...", file=sys.stderr, flush=True)
        latest = fill(s3, options.results)
        index = Index(FOLDER / "page" / "index.db")
        told("first copy of everything into an index", seconds(lambda: sync(s3, PLACE, index), 1))
        told("index: nothing new in the bucket", seconds(lambda: sync(s3, PLACE, index), 3))
        one_more_run(s3, NODES)
        told(f"index: a run of {NODES:,} results that isn't gathered yet", seconds(lambda: sync(s3, PLACE, index), 1))
        for what, ask in questions(index, latest).items():
            told(what, seconds(ask))
        told("first `mwaactl history`, its own copy of everything", seconds(command, 1))
        for arguments in ((), ("model_502",), ("--failed", "--since", "7d"), ("--slowest", "--since", "4w")):
            told(f"`{' '.join(('mwaactl history', *arguments))}`", seconds(partial(command, *arguments), 3))
        (held,) = index.rows("select count(*) as n from results")
    finally:
        server.stop()
    size = index.path.stat().st_size / 1e6
    print(f"{held['n']:,} results, {NODES:,} nodes, {DAYS} days; the index is {size:,.0f} MB.\n")
    print(table(["what", "took"], rows))


if __name__ == "__main__":
    main()
