"""The release commands of docs/mwaa.md, run with AWS' own command line against moto."""

import os
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from mwaactl.local import bucket
from tests.docs import pages
from tests.local_environment import PRODUCT, REPOSITORY

BUCKET = "a-bucket-on-aws"
needs_aws = pytest.mark.skipif(not shutil.which("aws") or not shutil.which("zip"), reason="needs aws and zip")


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(endpoint: str) -> Any:
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="eu-central-1",
        aws_access_key_id="a",
        aws_secret_access_key="a",
    )
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return client


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in PRODUCT:
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy2
        copy(REPOSITORY / name, tmp_path / name)
    for made in ("target/run.sql", "logs/dbt.log", "build/render_manifest.json", "dbt_packages/x/dbt_project.yml"):
        path = tmp_path / "dbt" / "flights" / made
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("made")
    (tmp_path / "plugins" / "mwaa_dbt" / "__pycache__").mkdir(exist_ok=True)
    (tmp_path / "plugins" / "mwaa_dbt" / "__pycache__" / "x.pyc").touch()
    (tmp_path / ".local").mkdir()
    (tmp_path / ".venv").symlink_to(REPOSITORY / ".venv")
    return tmp_path


@needs_aws
def test_a_release_by_hand_fills_the_bucket_as_the_local_environment_does(
    project: Path, endpoint: str, s3: Any
) -> None:
    shell = [block.content for block in pages.blocks(pages.DOCS / "mwaa.md") if block.language == "sh"]
    containers = next(text for text in shell if "update-environment" in text).replace("aws mwaa", "echo aws mwaa")
    synced = next(text for text in shell if "s3 sync" in text)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "a",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "BUCKET": BUCKET,
        "ENVIRONMENT": "prod",
    }
    for text in (containers, synced, synced):  # twice: what is there stays
        done = subprocess.run(["bash", "-euc", text], cwd=project, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        if text is containers:
            assert done.stdout.count("object-version") == 3
            assert "None" not in done.stdout.splitlines()[-1]

    wanted = bucket.contents(project)
    pages_of_keys = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    assert {entry["Key"] for page in pages_of_keys for entry in page["Contents"]} == set(wanted)
    zipped = zipfile.ZipFile(BytesIO(s3.get_object(Bucket=BUCKET, Key="plugins.zip")["Body"].read()))
    ours = zipfile.ZipFile(BytesIO(wanted["plugins.zip"]))
    assert {name for name in zipped.namelist() if not name.endswith("/")} == set(ours.namelist())
