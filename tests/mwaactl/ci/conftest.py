from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mwaactl.environments import Environment
from mwaactl.local import aws
from mwaactl.local.layout import REGION
from tests.mwaactl.ci import production
from tests.mwaactl.ci.production import Production


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """Moto's address, with AWS credentials in the environment as CI has them."""
    server = aws.start(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "ci")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "ci")
        yield f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    server.stop()


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
