"""A SAVEPOINT on Airflow's database waits for the writers before it; a stock one is refused at once."""

import sqlite3
from pathlib import Path

import pytest

from mwaactl.local.airflow_sqlite import CONNECT_ARGS


def read_then_write_beside_a_writer(path: Path, **options: object) -> None:
    with sqlite3.connect(path) as other:
        other.execute("pragma journal_mode=wal")
        other.execute("create table runs (id integer)")
    ours, other = sqlite3.connect(path, **options), sqlite3.connect(path, timeout=0)  # type: ignore[call-overload]
    ours.cursor().execute("SAVEPOINT sa_savepoint_1")
    ours.cursor().execute("select count(*) from runs").fetchall()
    try:
        other.execute("insert into runs values (1)")
        other.commit()
    except sqlite3.OperationalError:
        other.rollback()  # it waits for us, as it should
    ours.cursor().execute("insert into runs values (2)")
    ours.cursor().execute("RELEASE sa_savepoint_1")
    ours.commit()


def test_a_stock_connection_is_refused(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        read_then_write_beside_a_writer(tmp_path / "airflow.db")


def test_ours_has_the_write_lock_from_the_start(tmp_path: Path) -> None:
    read_then_write_beside_a_writer(tmp_path / "airflow.db", **CONNECT_ARGS)
    with sqlite3.connect(tmp_path / "airflow.db") as database:
        assert database.execute("select id from runs").fetchall() == [(2,)]


def test_reading_takes_no_lock(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "airflow.db") as database:
        database.execute("pragma journal_mode=wal")
        database.execute("create table runs (id integer)")
    reader = sqlite3.connect(tmp_path / "airflow.db", **CONNECT_ARGS)  # type: ignore[call-overload]
    reader.cursor().execute("select * from runs").fetchall()
    assert not reader.in_transaction
