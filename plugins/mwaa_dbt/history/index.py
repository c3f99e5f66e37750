"""A copy of history on this machine, in SQLite, that answers at once what the bucket would in minutes.

It holds nothing of its own: removed, it is made again. Several processes may use one (the workers of a web server):
SQLite's write-ahead log lets all read while one writes. Standard library only.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mwaa_dbt.history.record import FAILED

log = logging.getLogger(__name__)

#: Without these a line is none of ours.
_REQUIRED = {"result_id", "key", "status", "dag_id", "run_id", "try_started_at", "recorded_at"}
#: Another number makes another file: an index is never converted.
VERSION = 2

#: What failed in a run in the end: a try that a later one made up for doesn't count. Later by time, because a run that
#: was deleted and made again begins its numbers anew.
_COUNT_FAILED = f"""
update runs set (failed, tests_failed) = (
    select count(*), coalesce(sum(nodes.resource_type in ('test', 'unit_test')), 0)
    from results left join nodes on nodes.id = results.node
    where results.run = ?1 and results.status in {FAILED!r} and results.try in (
        select id from (
            select id, row_number() over (partition by task_id, map_index order by started desc, id desc) as back
            from tries where run = ?1)
        where back = 1))
where id = ?1
"""  # noqa: S608 - nobody's words

_SCHEMA = f"""
create table if not exists runs (
    id integer primary key, dag_id text not null, run_id text not null, run_type text, first real, last real,
    results integer default 0, failed integer default 0, tests_failed integer default 0, seconds real default 0,
    release text, target text, unique (dag_id, run_id));
create index if not exists runs_last on runs (last);
create table if not exists nodes (
    id integer primary key, unique_id text not null unique, name text not null, resource_type text, last real);
create index if not exists nodes_name on nodes (name);
create table if not exists tries (
    id integer primary key, key text not null unique, run integer not null, task_id text, map_index integer,
    try_number integer, command text, about text, depends_on text, started real, ended real, seconds real,
    target text, release text);
create index if not exists tries_run on tries (run);
create table if not exists results (
    try integer not null, run integer not null, node integer, started real not null, seconds real, worker_seconds real,
    status text not null, failures integer, rows integer, message text, checksum text, compiled_sql text);
create index if not exists results_node on results (node, started);
create index if not exists results_run on results (run);
create index if not exists results_started on results (started);
create index if not exists results_failed on results (started) where status in {FAILED!r};
create table if not exists node_days (
    node integer, day text, run integer, results integer default 0, failed integer default 0, seconds real default 0,
    longest real default 0, worker_seconds real default 0, primary key (node, day, run)) without rowid;
create table if not exists days (day text primary key, etag text not null);
"""


class Index:
    """The file at `path`; `file` is made, for this user alone, if need be."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(f"{path.stem}-{VERSION}.db")
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._open() as db:
            db.execute("pragma journal_mode = wal")
            db.executescript(_SCHEMA)
        self.path.chmod(0o600)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self.path, timeout=60)
        db.row_factory = sqlite3.Row
        db.execute("pragma synchronous = off")  # what a power cut takes is read again
        db.execute("pragma cache_size = -65536")
        try:
            with db:
                yield db
        finally:
            db.close()

    def rows(self, sql: str, values: Iterable[Any] | dict[str, Any] = ()) -> list[dict[str, Any]]:
        """Return the rows of a query."""
        with self._open() as db:
            return [dict(row) for row in db.execute(sql, values if isinstance(values, dict) else tuple(values))]

    def etags(self) -> dict[str, str]:
        """Return the ETag of each day's object that is held already, by day."""
        return {row["day"]: row["etag"] for row in self.rows("select day, etag from days")}

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Return those of `keys` whose results aren't held yet."""
        with self._open() as db:
            held = "select 1 from tries where key = ?"
            return [key for key in keys if db.execute(held, (key,)).fetchone() is None]

    def add(self, lines: bytes, day: str = "", etag: str = "") -> int:
        """Add results, JSON lines; return how many were new. Tries that are held already are left alone.

        `day` and `etag` name the day's object that they come from, which needn't be read again.
        """
        with self._open() as db:
            db.execute("begin immediate")
            added = _Adding(db).add(_results(lines))
            if day:
                db.execute("insert or replace into days values (?, ?)", (day, etag))
        return added


class _Adding:
    """One transaction's worth of results: everything is summed up first and written at the end, many rows at a time."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._nodes: dict[str, int] = {}
        self._node_last: dict[int, float] = {}
        self._runs: dict[tuple[str, str], int] = {}
        self._run_sums: dict[int, list[Any]] = {}
        self._tries: dict[str, int | None] = {}
        self._next_try = (db.execute("select max(id) from tries").fetchone()[0] or 0) + 1
        self._new_tries: list[tuple[Any, ...]] = []
        self._node_days: dict[tuple[int, str, int], list[Any]] = {}
        self._seen: set[str] = set()

    def add(self, results: Iterable[dict[str, Any]]) -> int:
        rows = [row for one in results if (row := self._row(one)) is not None]
        many = self._db.executemany
        many("insert into tries values (?,?,?,?,?,?,?,?,?,?,?,?,?,?)", self._new_tries)
        many("insert into results values (?,?,?,?,?,?,?,?,?,?,?,?)", rows)
        many("update nodes set last = max(last, ?2) where id = ?1", list(self._node_last.items()))
        many(
            "insert into node_days values (?,?,?,?,?,?,?,?) on conflict do update set results = results + "
            "excluded.results, failed = failed + excluded.failed, seconds = seconds + excluded.seconds, "
            "longest = max(longest, excluded.longest), worker_seconds = worker_seconds + excluded.worker_seconds",
            [(*key, *sums) for key, sums in self._node_days.items()],
        )
        many(
            "update runs set first = min(coalesce(first, ?2), ?2), last = max(coalesce(last, ?3), ?3), "
            "results = results + ?4, seconds = seconds + ?5, release = coalesce(?6, release), "
            "target = coalesce(?7, target) where id = ?1",
            [(run, *sums) for run, sums in self._run_sums.items()],
        )
        many(_COUNT_FAILED, [(run,) for run in self._run_sums])
        return len(rows)

    def _row(self, one: dict[str, Any]) -> tuple[Any, ...] | None:
        if one["result_id"] in self._seen:
            return None
        self._seen.add(one["result_id"])
        begun, ended = _seconds(one["try_started_at"]), _seconds(one["recorded_at"])
        run = self._run(one["dag_id"], one["run_id"], one.get("run_type"))
        try_ = self._try(one, run, begun, ended)
        if try_ is None:
            return None
        started = _seconds(one.get("started_at")) or begun
        status, failed = one["status"], int(one["status"] in FAILED)
        seconds, worker = one.get("execution_seconds"), one.get("worker_seconds") or 0.0
        sums = self._run_sums.setdefault(run, [begun, ended, 0, 0.0, None, None])
        sums[0], sums[1] = min(sums[0], begun), max(sums[1], ended)
        sums[2], sums[3] = sums[2] + 1, sums[3] + worker
        sums[4], sums[5] = one.get("release"), one.get("target")
        node = None
        if one.get("node"):
            node = self._node(one, started)
            # By DAG, for people who may not see every one; a run without an id stands for it.
            day = (node, one["try_started_at"][:10], self._run(one["dag_id"], "", None))
            per_day = self._node_days.setdefault(day, [0, 0, 0.0, 0.0, 0.0])
            for place, amount in enumerate((1, failed, seconds or 0.0)):
                per_day[place] += amount
            per_day[3], per_day[4] = max(per_day[3], seconds or 0.0), per_day[4] + worker
        message = one.get("message") if failed or status == "warn" else None
        return (
            *(try_, run, node, started, seconds, worker, status, one.get("failures"), one.get("rows"), message),
            *(one.get("checksum"), one.get("compiled_sql")),
        )

    def _run(self, dag_id: str, run_id: str, run_type: str | None) -> int:
        name = (dag_id, run_id)
        if name not in self._runs:
            values = (*name, run_type)
            self._db.execute("insert or ignore into runs (dag_id, run_id, run_type) values (?, ?, ?)", values)
            found = self._db.execute("select id from runs where dag_id = ? and run_id = ?", name).fetchone()
            self._runs[name] = found["id"]
        return self._runs[name]

    def _node(self, one: dict[str, Any], started: float) -> int:
        unique_id = one["node"]
        if unique_id not in self._nodes:
            values = (unique_id, one.get("name") or unique_id, one.get("resource_type"), started)
            self._db.execute(
                "insert or ignore into nodes (unique_id, name, resource_type, last) values (?, ?, ?, ?)", values
            )
            found = self._db.execute("select id from nodes where unique_id = ?", (unique_id,)).fetchone()
            self._nodes[unique_id] = found["id"]
        node = self._nodes[unique_id]
        self._node_last[node] = max(self._node_last.get(node, 0.0), started)
        return node

    def _try(self, one: dict[str, Any], run: int, begun: float, ended: float) -> int | None:
        key = one["key"]
        if key not in self._tries:
            if self._db.execute("select 1 from tries where key = ?", (key,)).fetchone():
                self._tries[key] = None
                return None
            self._tries[key] = self._next_try
            self._new_tries.append(
                (
                    *(self._next_try, key, run, one.get("task_id"), one.get("map_index"), one.get("try_number")),
                    *(one.get("command"), one.get("about"), json.dumps(one.get("depends_on") or [])),
                    *(begun, ended, one.get("task_seconds"), one.get("target"), one.get("release")),
                )
            )
            self._next_try += 1
        return self._tries[key]


def _results(lines: bytes) -> Iterator[dict[str, Any]]:
    foreign = 0
    for line in filter(None, lines.splitlines()):
        try:
            one = json.loads(line)
        except ValueError:
            one = None
        if isinstance(one, dict) and one.keys() >= _REQUIRED:
            yield one
        else:
            foreign += 1
    if foreign:
        log.warning("History: %d lines in the bucket are no results of ours; they are left out.", foreign)


def _seconds(moment: str | None) -> float:
    if not moment:
        return 0.0
    return datetime.fromisoformat(moment).astimezone(UTC).timestamp()
