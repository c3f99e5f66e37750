"""`airflow api-server` for an Airflow on SQLite: copied to $AIRFLOW_HOME/config and run there by Airflow's Python.

Airflow writes its audit log on the event loop (airflow/api_fastapi/logging/decorators.py, `log_action`). SQLite has one
write lock. Where another request of the same server holds it and needs the loop to commit, both stand still, with the
whole server, until the lock's time is up. Here the audit log is written in a thread.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.api_fastapi.logging import decorators
from fastapi import Request
from starlette.concurrency import run_in_threadpool

#: An event's name -> a dependency of a route.
Make = Callable[..., Any]


def off_the_loop(make: Make) -> Make:
    """Return what `make` (`action_logging`) is, but for where its dependencies write."""

    @functools.wraps(make)
    def action_logging(event: str | None = None) -> Callable[..., Coroutine[Any, Any, None]]:
        log_action = make(event)

        async def log_action_in_a_thread(request: Request, session: SessionDep, user: GetUserDep) -> None:
            await request.body()  # what is read already is all that log_action would await
            await run_in_threadpool(_finish, log_action(request, session, user))

        return log_action_in_a_thread

    return action_logging


def _finish(coroutine: Coroutine[Any, Any, None]) -> None:
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise RuntimeError("Airflow's audit log awaits something else than the request's body.")


if __name__ == "__main__":
    import sys

    from airflow.__main__ import main

    decorators.action_logging = off_the_loop(decorators.action_logging)  # before the routes are imported
    sys.argv = ["airflow", "api-server"]
    main()
