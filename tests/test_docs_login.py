"""Nobody sees dbt's docs without being logged in to Airflow (its own auth manager and tokens)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow import settings as airflow_settings
from airflow.api_fastapi.app import init_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.models.revoked_token import RevokedToken
from cosmos.plugin.airflow3 import create_cosmos_fastapi_app
from docs_login import DocsLogin
from fastapi import FastAPI
from fastapi.testclient import TestClient

PAGES = ("/cosmos/shop/dbt_docs_index.html", "/cosmos/shop/manifest.json", "/cosmos/shop/dbt_docs")


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A token of Airflow's for a person who may look; the list of revoked ones is the one table that Airflow needs."""
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "x" * 64)
    manager = init_auth_manager()
    table: Any = RevokedToken.__table__
    table.create(airflow_settings.engine, checkfirst=True)
    yield str(manager.generate_jwt(SimpleAuthManagerUser(username="jane", role="viewer")))
    table.drop(airflow_settings.engine)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> TestClient:
    """Cosmos' own app, mounted and guarded as Airflow does it (airflow.api_fastapi.app.init_plugins)."""
    for name in ("index.html", "manifest.json", "catalog.json"):
        (tmp_path / name).write_text("{}" if name.endswith("json") else "<html><head></head>docs</html>")
    monkeypatch.setenv("AIRFLOW__COSMOS__DBT_DOCS_PROJECTS", f'{{"shop": {{"dir": "{tmp_path}"}}}}')
    app = FastAPI()
    app.mount("/cosmos", create_cosmos_fastapi_app())
    for one in DocsLogin.fastapi_root_middlewares:
        app.add_middleware(one["middleware"])
    app.get("/cosmosomething")(lambda: "open")
    return TestClient(app)


@pytest.mark.parametrize("page", PAGES)
def test_only_who_is_logged_in_sees_them(client: TestClient, token: str, page: str) -> None:
    assert client.get(page).status_code == 401
    assert client.get(page, headers={"Authorization": "Bearer nonsense"}).status_code == 403
    assert client.get(page, headers={"Cookie": "_token=nonsense; a=b"}).status_code == 403
    assert client.get(page, headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert client.get(page, headers={"Cookie": f"a=b; _token={token}"}).status_code == 200


def test_an_encoded_path_is_no_way_around(client: TestClient, token: str) -> None:
    assert client.get("/%63osmos/shop/manifest.json").status_code == 401


def test_other_pages_are_left_alone(client: TestClient, token: str) -> None:
    assert client.get("/cosmosomething").status_code == 200
