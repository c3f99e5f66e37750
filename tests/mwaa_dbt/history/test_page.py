"""The page's application behind Airflow's own login: with the real auth manager and real tokens."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow import settings as airflow_settings
from airflow.api_fastapi.app import init_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.models.revoked_token import RevokedToken
from fastapi.testclient import TestClient
from mwaa_dbt.history.page.app import make
from mwaa_dbt.history.page.keeper import Keeper

from tests.mwaa_dbt.history.conftest import Store
from tests.mwaa_dbt.history.made import tried
from tests.mwaa_dbt.history.test_reading import put

PATHS = ("/", "/history.js", "/views.js", "/history.css", "/api/status", "/api/runs", "/api/run?dag_id=d&run_id=r1")
PATHS += ("/api/nodes", "/api/node?name=a", "/api/tests", "/api/slowest")


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", "False")
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", str(tmp_path / "passwords.json"))
    monkeypatch.setenv(
        "AIRFLOW__API_AUTH__JWT_SECRET", "a-secret-of-sixty-four-characters-a-secret-of-sixty-four-charact"
    )
    # A token is looked up among those that were revoked; that one table is all the database that this needs.
    RevokedToken.metadata.create_all(airflow_settings.engine, tables=[RevokedToken.__table__])
    return init_auth_manager()


@pytest.fixture
def page(store: Store, tmp_path: Path) -> Iterator[TestClient]:
    put(
        store,
        tried(store.place, "model.p.a", 0),
        tried(store.place, "test.p.t.1", 20, 5, "fail", command="test", about="model.p.a", failures=2, message="Got 2"),
        tried(store.place, "model.p.gone", 40, dag="other"),
    )
    with TestClient(make(Keeper(store.place, tmp_path / "page" / "index.db"))) as client:
        yield client


def login(manager: Any, role: str = "viewer") -> dict[str, str]:
    return {"Authorization": f"Bearer {manager.generate_jwt(SimpleAuthManagerUser(username='u', role=role))}"}


@pytest.mark.parametrize("path", PATHS)
def test_nobody_sees_anything_without_airflows_login(manager: Any, page: TestClient, path: str) -> None:
    assert page.get(path).status_code == 401
    assert page.get(path, headers={"Authorization": "Bearer nonsense"}).status_code in (401, 403)
    page.cookies.set("_token", "nonsense")
    assert page.get(path).status_code in (401, 403)


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/redoc", "/../app.py", "/app.py", "/%2e%2e/app.py"])
def test_there_is_nothing_else(manager: Any, page: TestClient, path: str) -> None:
    assert page.get(path, headers=login(manager)).status_code in (401, 404)
    assert page.get(path).status_code in (401, 404)


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_it_is_read_only(manager: Any, page: TestClient, method: str) -> None:
    for path in PATHS:
        assert getattr(page, method)(path, headers=login(manager)).status_code == 405


def test_what_a_user_sees(manager: Any, page: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = login(manager)

    def get(path: str) -> Any:
        answer = page.get(path, headers=mine)
        assert answer.status_code == 200, answer.text
        return answer.json()

    deadline = time.monotonic() + 60  # the first request waits for the copy for a moment only
    while get("/api/status")["results"] < 3:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert {run["dag_id"] for run in get("/api/runs")} == {"d", "other"}
    run = get("/api/run?dag_id=d&run_id=r1")
    assert [one["task_id"] for one in run["tries"]] == ["a.run", "t.test"]
    assert run["critical"] == [one["id"] for one in run["tries"]]
    assert get("/api/tests?days=3650")[0]["latest"]["message"] == "Got 2"
    assert get("/api/node?name=gone&days=3650")[0]["node"] == "model.p.gone"
    assert [one["name"] for one in get("/api/nodes?q=GO")] == ["gone"]
    answer = page.get("/api/node?name=gnoe", headers=mine)
    assert (answer.status_code, answer.json()["detail"]["near"]) == (404, ["gone"])
    # A user of one DAG
    monkeypatch.setattr(manager, "filter_authorized_dag_ids", lambda dag_ids, **_: dag_ids & {"d"})
    assert {run["dag_id"] for run in get("/api/runs")} == {"d"}
    assert page.get("/api/run?dag_id=other&run_id=r1", headers=mine).status_code == 404
    for name in ("gone", "gnoe", "model.p.gone"):
        answer = page.get(f"/api/node?name={name}", headers=mine)
        assert (answer.status_code, answer.json()["detail"]["near"]) == (404, []), "a node of another's DAG has no name"
    assert get("/api/nodes?q=go") == []


def test_files_are_the_pages_own_and_load_nothing_from_elsewhere(manager: Any, page: TestClient) -> None:
    for path in PATHS[:4]:
        answer = page.get(path, headers=login(manager))
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "//" not in answer.text.replace("// ", "").replace("http://www.w3.org/2000/svg", "")


def test_a_bucket_that_cant_be_read_is_said_on_the_page(manager: Any, store: Store, tmp_path: Path) -> None:
    store.s3.delete_bucket(Bucket=store.place.bucket)
    with TestClient(make(Keeper(store.place, tmp_path / "page" / "index.db"))) as client:
        client.get("/api/runs", headers=login(manager))
        deadline = time.monotonic() + 30
        while not (trouble := client.get("/api/status", headers=login(manager)).json()["trouble"]):
            assert time.monotonic() < deadline
            time.sleep(0.2)
    assert "NoSuchBucket" in trouble
