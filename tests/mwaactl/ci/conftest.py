from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mwaactl.environments import Environment
from mwaactl.local import aws
from mwaactl.local.layout import REGION
from tests import ports
from tests.mwaactl.ci import production
from tests.mwaactl.ci.production import Production


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """Moto's address, with AWS credentials in the environment as CI has them.

    A process of its own: what moto holds is its process', and other tests' `mock_aws` empties that of this one.
    """
    port = ports.free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        ports.wait_for(port)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ACCESS_KEY_ID", "ci")
            patch.setenv("AWS_SECRET_ACCESS_KEY", "ci")
            yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="session")
def new_environment(endpoint: str) -> Callable[[str], Environment]:
    """Return a function that makes an environment called `prod` with a bucket of its own."""

    def make(bucket: str) -> Environment:
        made = Environment(
            name="prod",
            mwaa="flights-prod",
            bucket=bucket,
            region=REGION,
            account=aws.ACCOUNT,
            target="prod",
            endpoints={"": endpoint},
        )
        made.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        return made

    return make


@pytest.fixture(scope="session")
def flights_made(new_environment: Callable[[str], Environment], tmp_path_factory: pytest.TempPathFactory) -> Production:
    folder = tmp_path_factory.mktemp("flights")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLIGHTS_DUCKDB_PATH", str(folder / "warehouse.duckdb"))
        return production.flights(folder, new_environment("flights-bucket"))


@pytest.fixture(scope="session")
def shop_made(new_environment: Callable[[str], Environment], tmp_path_factory: pytest.TempPathFactory) -> Production:
    folder = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOP_DUCKDB_PATH", str(folder / "warehouse.duckdb"))
        return production.shop(folder, new_environment("shop-bucket"))


@pytest.fixture
def flights(flights_made: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Production:
    """Production of flights, files and warehouse to be changed at will."""
    copy = flights_made.copy(tmp_path)
    monkeypatch.setenv("FLIGHTS_DUCKDB_PATH", str(copy.warehouse))
    return copy


@pytest.fixture
def shop(shop_made: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Production:
    """Production of a small project, files and warehouse to be changed at will."""
    copy = shop_made.copy(tmp_path)
    monkeypatch.setenv("SHOP_DUCKDB_PATH", str(copy.warehouse))
    return copy
