"""Airflow's login before the pages of Cosmos' plugin, which has none of its own (cosmos/plugin/airflow3.py, 1.15.1).

An Airflow plugin: every component imports this file when it starts, so nothing heavy is imported at its top.
"""

from __future__ import annotations

import json
from http.cookies import CookieError, SimpleCookie
from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

#: Where Cosmos' plugin mounts its pages: dbt's docs, with SQL and column names.
PREFIX = "/cosmos"
_COOKIE = "_token"  # airflow.api_fastapi.auth.managers.base_auth_manager.COOKIE_NAME_JWT_TOKEN


class RequireLogin:
    """ASGI middleware: what lies below `prefix` is for people who are logged in to Airflow."""

    def __init__(self, app: Any, prefix: str = PREFIX) -> None:
        self.app = app
        self.prefix = prefix

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Pass a request on, or answer 401 or 403."""
        if scope["type"] in ("http", "websocket") and self._guarded(scope):
            from airflow.api_fastapi.core_api.security import resolve_user_from_token
            from fastapi import HTTPException

            try:
                await resolve_user_from_token(_token(scope))
            except HTTPException as error:
                await _refuse(send, error.status_code, str(error.detail))
                return
        await self.app(scope, receive, send)

    def _guarded(self, scope: dict[str, Any]) -> bool:
        path = str(scope["path"]).removeprefix(str(scope.get("root_path") or ""))
        return path == self.prefix or path.startswith(f"{self.prefix}/")


def _token(scope: dict[str, Any]) -> str | None:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    kind, _, token = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and token:
        return token.strip()
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(_COOKIE)
    except CookieError:
        return None
    return found.value if found else None


async def _refuse(send: Any, status: int, detail: str) -> None:
    body = json.dumps({"detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class DocsLogin(AirflowPlugin):
    """Puts the middleware before every page of the web server."""

    name = "mwaa_dbt_docs_login"
    fastapi_root_middlewares: ClassVar[list[dict[str, Any]]] = [{"name": name, "middleware": RequireLogin}]
