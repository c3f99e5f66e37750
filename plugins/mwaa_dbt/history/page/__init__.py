"""The page in Airflow's UI: read-only, behind Airflow's own login, files of its own only."""

from __future__ import annotations

import functools
from typing import Any

#: Where the page lies below Airflow's address.
PREFIX = "/dbt-history"


class Page:
    """The page as an ASGI application, made at the first request."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        await self._app()(scope, receive, send)

    @functools.cache  # noqa: B019 - there is one for the life of the process
    def _app(self) -> Any:
        from mwaa_dbt.history.page.app import make

        return make()
