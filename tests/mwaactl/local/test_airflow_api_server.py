"""The audit log of an API server on SQLite: a request that waits for the database's lock keeps no other waiting."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from airflow.api_fastapi.common.db.common import _get_session
from airflow.api_fastapi.core_api.security import get_user
from airflow.api_fastapi.logging import decorators
from airflow.models import Log
from fastapi import Depends, FastAPI
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from mwaactl.local.airflow_api_server import off_the_loop


class Somebody:
    def get_name(self) -> str:
        return "admin"


def served(database: Path, action_logging: Any) -> FastAPI:
    """Return an application with one route that is logged in `database`."""
    engine = create_engine(f"sqlite:///{database}", connect_args={"timeout": 2, "check_same_thread": False})
    Log.__table__.create(engine)

    def session() -> Iterator[Session]:
        with Session(engine) as one:
            yield one

    app = FastAPI()
    app.dependency_overrides = {_get_session: session, get_user: Somebody}

    @app.post("/dags/{dag_id}", dependencies=[Depends(action_logging("trigger"))])
    def trigger(dag_id: str) -> str:
        return dag_id

    return app


async def answered_beside_a_writer(database: Path, app: FastAPI) -> int:
    """Return the status of a request while the loop itself has to end the transaction that is in its way."""
    with sqlite3.connect(database, isolation_level=None) as writer:
        writer.execute("begin immediate")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app, False), base_url="http://x") as client:
            request = asyncio.create_task(client.post("/dags/flights", json={"conf": {"password": "hidden"}}))
            await asyncio.sleep(0.5)
            writer.execute("rollback")
            return (await request).status_code


def test_a_stock_server_stands_still_until_the_time_is_up(tmp_path: Path) -> None:
    app = served(tmp_path / "airflow.db", decorators.action_logging)
    assert asyncio.run(answered_beside_a_writer(tmp_path / "airflow.db", app)) == 500


def test_ours_answers_and_logs(tmp_path: Path) -> None:
    app = served(tmp_path / "airflow.db", off_the_loop(decorators.action_logging))
    assert asyncio.run(answered_beside_a_writer(tmp_path / "airflow.db", app)) == 200
    with sqlite3.connect(tmp_path / "airflow.db") as database:
        ((event, dag_id, owner, extra),) = database.execute("select event, dag_id, owner, extra from log").fetchall()
    assert (event, dag_id, owner) == ("trigger", "flights", "admin")
    assert "hidden" not in extra
