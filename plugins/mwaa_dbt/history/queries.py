"""What people ask of history, answered from an index. Times are seconds since the epoch, durations seconds.

`dags` are the DAGs that the asker may see; None: all.
"""

# ruff: noqa: S608 - texts of this file are put together; what people say is bound
from __future__ import annotations

import difflib
import json
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from mwaa_dbt.history.index import Index
from mwaa_dbt.history.record import FAILED

Rows = list[dict[str, Any]]
_SEEN = "(:dags is null or runs.dag_id in (select value from json_each(:dags)))"
_SEEN_NODE = (
    "(:dags is null or exists (select 1 from node_days join runs on runs.id = node_days.run where node = nodes.id and "
    f"{_SEEN}))"
)
_FAILED = f"results.status in {FAILED!r}"
_PASSED = "and results.status in ('pass', 'success')"
_RESULT = (
    "nodes.unique_id as node, nodes.name, nodes.resource_type, results.status, results.started, results.seconds, "
    "results.worker_seconds, results.failures, results.rows, results.message, results.checksum, results.compiled_sql, "
    "runs.dag_id, runs.run_id, tries.task_id, tries.map_index, tries.try_number, tries.command, tries.target, "
    "tries.release"
)
_FROM = (
    "from results join tries on tries.id = results.try join runs on runs.id = results.run "
    "left join nodes on nodes.id = results.node"
)


class UnknownNodeError(Exception):
    """No result of such a node was ever kept. `near` are names that look alike."""

    def __init__(self, name: str, near: list[str]) -> None:
        super().__init__(f"history has no node {name!r}")
        self.near = near


def recent_runs(
    index: Index, dags: Collection[str] | None = None, before: float | None = None, limit: int = 50
) -> Rows:
    """Return runs, latest first, that ended before `before`."""
    return index.rows(
        "select dag_id, run_id, run_type, first as started, last as ended, results, failed, tests_failed, "
        "seconds as worker_seconds, release, target from runs "
        f"where run_id <> '' and last < coalesce(:before, 1e12) and {_SEEN} order by last desc limit :limit",
        {"dags": _json(dags), "before": before, "limit": limit},
    )


def run_tries(index: Index, dag_id: str, run_id: str) -> Rows:
    """Return the tries of a run with their results, in the order of their starts; none where it isn't known."""
    which = {"dag_id": dag_id, "run_id": run_id}
    where = "where run = (select id from runs where dag_id = :dag_id and run_id = :run_id)"
    tries = index.rows(
        "select id, task_id, map_index, try_number, command, about, depends_on, started, ended, seconds, release, "
        f"target from tries {where} order by started, id",
        which,
    )
    by_id = {one["id"]: {**one, "depends_on": json.loads(one["depends_on"]), "results": []} for one in tries}
    for row in index.rows(
        "select try, nodes.unique_id as node, nodes.name, nodes.resource_type, status, results.started, seconds, "
        f"worker_seconds, failures, rows, message from results left join nodes on nodes.id = node {where} "
        "order by results.started",
        which,
    ):
        by_id[row.pop("try")]["results"].append(row)
    return list(by_id.values())


def resolve(index: Index, name: str, dags: Collection[str] | None = None) -> list[str]:
    """Return the unique ids of what people call `name`: a unique id, a node's name, or several nodes' name.

    Raises:
        UnknownNodeError: if `dags` never had one. Its names are theirs, too.
    """
    values = {"name": name, "dags": _json(dags)}
    found = index.rows(
        f"select unique_id from nodes where (unique_id = :name or name = :name) and {_SEEN_NODE} order by last desc",
        values,
    )
    if found:
        return [row["unique_id"] for row in found]
    names = [row["name"] for row in index.rows(f"select distinct name from nodes where {_SEEN_NODE}", values)]
    raise UnknownNodeError(name, difflib.get_close_matches(name, names, n=5, cutoff=0.5))


def search(index: Index, text: str, dags: Collection[str] | None = None, limit: int = 50) -> Rows:
    """Return nodes whose name holds `text`, the latest seen first."""
    return index.rows(
        "select unique_id as node, name, resource_type, last from nodes where instr(lower(name), lower(:text)) and "
        f"{_SEEN_NODE} order by last desc limit :limit",
        {"text": text, "dags": _json(dags), "limit": limit},
    )


def results(
    index: Index,
    nodes: Collection[str] | None = None,
    dags: Collection[str] | None = None,
    since: float = 0.0,
    failed: bool = False,
    limit: int = 1000,
) -> Rows:
    """Return results, latest first: of the unique ids `nodes` (None: all), from `since` on, failed ones only."""
    # Unary plus keeps SQLite from taking the index of the time where the node's is the better one.
    order = "results.started" if nodes is None else "+results.started"
    which = (
        "1"
        if nodes is None
        else "results.node in (select id from nodes where unique_id in (select value from json_each(:nodes)))"
    )
    return index.rows(
        f"select {_RESULT} {_FROM} where {which} and results.started >= :since and {_SEEN} "
        f"{f'and {_FAILED}' if failed else ''} order by {order} desc limit :limit",
        {"nodes": _json(nodes), "dags": _json(dags), "since": since, "limit": limit},
    )


def failing_tests(index: Index, dags: Collection[str] | None = None, since: float = 0.0) -> Rows:
    """Return the tests that failed since then, with their failures, last status, and when they last passed."""
    # Unary plus: SQLite would read all results in the order of their nodes to group the failed ones.
    # Of each test the latest result, and the latest that passed, are one look into the index of nodes and times.
    latest = (
        "from results join runs on runs.id = results.run where results.node = failing.node "
        f"and {_SEEN} {{which}} order by results.started desc limit 1"
    )
    found = index.rows(
        "with failing as (select results.node, count(*) as failed, max(results.started) as last_failed from results "
        f"join nodes on nodes.id = results.node join runs on runs.id = results.run where {_FAILED} "
        f"and nodes.resource_type in ('test', 'unit_test') and results.started >= :since and {_SEEN} "
        "group by +results.node order by last_failed desc limit 200) "
        "select nodes.unique_id as node, nodes.name, failing.failed, failing.last_failed, "
        f"(select results.started {latest.format(which=_PASSED)}) as last_passed, "
        "results.status, results.failures, results.message, results.started, runs.dag_id, runs.run_id "
        "from failing join nodes on nodes.id = failing.node "
        f"join results on results.rowid = (select results.rowid {latest.format(which='')}) "
        "join runs on runs.id = results.run order by last_failed desc",
        {"dags": _json(dags), "since": since},
    )
    for row in found:
        names = ("status", "failures", "message", "started", "dag_id", "run_id")
        row["latest"] = {name: row.pop(name) for name in names}
        row["failing"] = row["latest"]["status"] in FAILED
    return found


def slowest(index: Index, dags: Collection[str] | None = None, since: float = 0.0, limit: int = 50) -> Rows:
    """Return nodes by what they cost from the day of `since` on: seconds of a worker's slot, most first."""
    return index.rows(
        "select nodes.unique_id as node, nodes.name, nodes.resource_type, sum(node_days.results) as results, "
        "sum(node_days.failed) as failed, sum(node_days.seconds) / sum(node_days.results) as mean_seconds, "
        "max(node_days.longest) as longest_seconds, sum(node_days.worker_seconds) as worker_seconds "
        "from node_days join nodes on nodes.id = node_days.node join runs on runs.id = node_days.run "
        f"where day >= :day and {_SEEN} group by nodes.id order by worker_seconds desc limit :limit",
        {"dags": _json(dags), "day": datetime.fromtimestamp(since, UTC).date().isoformat(), "limit": limit},
    )


def dag_ids(index: Index) -> set[str]:
    """Return the DAGs that history knows, also those that are gone."""
    return {row["dag_id"] for row in index.rows("select distinct dag_id from runs")}


def _json(values: Collection[str] | None) -> str | None:
    return None if values is None else json.dumps(sorted(values))
