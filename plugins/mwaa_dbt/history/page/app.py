"""What the page's browser side asks, and who may ask.

Airflow protects nothing of a plugin's application by itself (airflow/api_fastapi/app.py, ``init_plugins`` mounts it as
it is): every path here, files included, asks for Airflow's user first, and shows the DAGs that this user may see.
"""

import time
from pathlib import Path
from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.core_api.security import get_user
from fastapi import Depends, FastAPI, HTTPException, Query, Response

from mwaa_dbt import settings
from mwaa_dbt.history import queries
from mwaa_dbt.history.critical_path import critical_path
from mwaa_dbt.history.index import Index
from mwaa_dbt.history.page.keeper import Keeper

_FILES = {"": "index.html", "history.js": "history.js", "views.js": "views.js", "history.css": "history.css"}
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-cache",
}
_DAY = 86400.0

User = Annotated[Any, Depends(get_user)]
Days = Annotated[int, Query(ge=1, le=3660)]


def make(keeper: Keeper | None = None) -> FastAPI:
    """Return the application. `keeper` holds the index; None: the settings' place, copied to this machine.

    Raises:
        RuntimeError: if no history is kept.
    """
    if keeper is None:
        place = settings.history()
        if place is None:
            raise RuntimeError("no history is kept: [mwaa_dbt] bucket is not set, or history is switched off")
        keeper = Keeper.of(place)
    app = FastAPI(
        title="dbt history", docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(get_user)]
    )

    def index() -> Index:
        keeper.refresh()
        return keeper.index

    def seen(user: User) -> set[str]:
        manager = get_auth_manager()
        return set(manager.filter_authorized_dag_ids(dag_ids=queries.dag_ids(keeper.index), user=user, method="GET"))

    Current = Annotated[Index, Depends(index)]  # noqa: N806 - types
    Seen = Annotated[set[str], Depends(seen)]  # noqa: N806

    @app.get("/api/status")
    def status(current: Current) -> dict[str, Any]:
        return keeper.status()

    @app.get("/api/runs")
    def runs(current: Current, dags: Seen, before: float | None = None) -> Any:
        return queries.recent_runs(current, dags, before)

    @app.get("/api/run")
    def run(current: Current, dags: Seen, dag_id: str, run_id: str) -> Any:
        tries = queries.run_tries(current, dag_id, run_id) if dag_id in dags else []
        if not tries:
            raise HTTPException(404, "history has no such run")
        return {"tries": tries, "critical": critical_path(tries)}

    @app.get("/api/nodes")
    def nodes(current: Current, dags: Seen, q: str = "") -> Any:
        return queries.search(current, q, dags)

    @app.get("/api/node")
    def node(current: Current, dags: Seen, name: str, days: Days = 90) -> Any:
        try:
            found = queries.resolve(current, name, dags)
        except queries.UnknownNodeError as error:
            raise HTTPException(404, {"what": str(error), "near": error.near}) from error
        return queries.results(current, found, dags, time.time() - days * _DAY, limit=5000)

    @app.get("/api/tests")
    def tests(current: Current, dags: Seen, days: Days = 14) -> Any:
        return queries.failing_tests(current, dags, time.time() - days * _DAY)

    @app.get("/api/slowest")
    def slowest(current: Current, dags: Seen, days: Days = 30) -> Any:
        return queries.slowest(current, dags, time.time() - days * _DAY)

    @app.get("/")
    @app.get("/{name}")
    def file(name: str = "") -> Response:
        if name not in _FILES:
            raise HTTPException(404)
        path = Path(__file__).with_name("static") / _FILES[name]
        return Response(path.read_bytes(), media_type=_TYPES[path.suffix], headers=_HEADERS)

    return app
