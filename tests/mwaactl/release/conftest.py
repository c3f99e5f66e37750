"""A bucket (moto, over HTTP), an MWAA stand-in and a small project, for tests of releases."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from mwaactl import manifest
from mwaactl.environments import Environment
from mwaactl.release import dag_imports
from mwaactl.release.applying import Applied
from mwaactl.release.how import DAG_IMPORTS, How
from mwaactl.release.objects import Bucket
from tests.mwaactl.release.mwaa import Mwaa, serving

BUCKET = "flights-dev-mwaa"
PUBLIC = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
FILES = {
    "dags/one.py": "from airflow.sdk import DAG\nDAG('one')  # dag: one\n",
    "dags/two.py": "from airflow.sdk import DAG\nDAG('two')  # dag: two\n",
    "dags/helper.py": "X = 1\n",
    "dags/.airflowignore": "dbt/\n",
    "dbt/shop/dbt_project.yml": "name: shop\n",
    "dbt/shop/models/a.sql": "select 1",
    "dbt/shop/models/b.sql": "select 2",
    "plugins/mwaa_x/__init__.py": "",
    "requirements.txt": "a==1\n",
    "startup.sh": "true\n",
    "infra/configuration-options.yaml": "core.parallelism: '8'\n",
}


@dataclass
class Place:
    """An environment of a test, and the project that is released to it."""

    environment: Environment
    mwaa: Mwaa
    s3: Any
    source: Path

    def write(self, name: str, text: str) -> None:
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def s3_of(self, region: str) -> Any:
        """Return a client of S3 in another region."""
        return dataclasses.replace(self.environment, region=region).client("s3")

    def build(self) -> None:
        """Write the render manifest that belongs to the dbt project as it is."""
        folder = self.source / "dbt" / "shop"
        models = sorted(path.name for path in folder.glob("models/*.sql"))
        found = {"metadata": {"fingerprint": manifest.fingerprint(folder, "1.11.0"), "dbt_version": "1.11.0"}}
        self.write("dbt/shop/build/render_manifest.json", json.dumps({**found, "nodes": models}))

    def listed(self) -> dict[str, bytes]:
        """Return every object of a release that is in the bucket now."""
        bucket = Bucket(self.environment)
        return {path: bucket.get(path) for path in bucket.listed()}

    def apply(self, **how: Any) -> Applied:
        from mwaactl import release

        how = {"pause": 0.0, "show": lambda steps: None, **how}
        return release.apply(self.environment, self.source, How(**how))

    def rollback(self, to: str | None = None, **how: Any) -> Applied:
        from mwaactl import release

        return release.rollback(self.environment, to, How(**{"pause": 0.0, "show": lambda steps: None, **how}))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting for what takes minutes on MWAA, and credentials of nobody."""
    monkeypatch.setattr("mwaactl.release.updates.INTERVAL", 0.05)
    monkeypatch.setattr("mwaactl.release.verifying.INTERVAL", 0.05)
    monkeypatch.setattr("mwaactl.release.verifying.LIMIT", 3.0)
    monkeypatch.setattr("mwaactl.release.rest.SECONDS_BETWEEN", 0.0)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def place(tmp_path: Path, moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A bucket and an environment that nothing was released to, and a project whose DAGs are known without Airflow."""
    import boto3
    from moto.s3.models import s3_backends

    # Moto's own state is the process', which other tests' buckets live in, too: no reset of all of it.
    s3_backends["123456789012"]["aws"].buckets.pop(BUCKET, None)
    s3_backends.bucket_accounts.pop(BUCKET, None)
    s3 = boto3.client("s3", endpoint_url=moto_url, region_name="eu-central-1")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration=PUBLIC)
    mwaa = Mwaa(s3, BUCKET)
    with serving(mwaa) as url:
        environment = Environment(
            name="dev",
            mwaa=mwaa.name,
            bucket=BUCKET,
            region="eu-central-1",
            account="123456789012",
            target="dev",
            endpoints={"": moto_url, "mwaa": url},
        )
        found = Place(environment, mwaa, s3, tmp_path / "project")
        for name, text in FILES.items():
            found.write(name, text)
        found.build()
        monkeypatch.setattr(dag_imports, "dags", dags_by_their_word)
        yield found


def dags_by_their_word(wanted: Any, *_: Any) -> dict[str, str]:
    """Stand in for the import check where Airflow isn't the matter: the stand-in's DAGs, broken ones included."""
    import re

    found = {}
    for path, file in wanted.items():
        match = re.search(rb"dag: (\w+)", file.read()) if path.endswith(".py") else None
        if match:
            found[match[1].decode()] = path.removeprefix("dags/")
    return found


__all__ = ["DAG_IMPORTS", "Callable"]
