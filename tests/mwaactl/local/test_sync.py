"""From the bucket to the dags/ of the environment."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from mwaactl.local import aws, bucket
from mwaactl.local.sync import DagSync

FILES = {"dags/one.py": "one", "dags/dbt/shop/models/target/a.sql": "select 1", "requirements.txt": "a==1"}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("s3", region_name=aws.REGION, aws_access_key_id="x", aws_secret_access_key="x")
        bucket.create(client)
        for key, text in FILES.items():
            client.put_object(Bucket=aws.BUCKET, Key=key, Body=text.encode())
        yield client


def test_the_folder_becomes_what_the_bucket_is(s3: Any, tmp_path: Path) -> None:
    folder = tmp_path / "dags"
    folder.mkdir()
    (folder / "stray.py").write_text("from another release")
    sync = DagSync(s3, folder)

    first = sync.once()
    assert first.removed == ["stray.py"]
    assert first.written == ["dbt/shop/models/target/a.sql", "one.py"]
    assert (folder / "dbt/shop/models/target/a.sql").read_text() == "select 1"
    assert not sync.once()

    s3.put_object(Bucket=aws.BUCKET, Key="dags/one.py", Body=b"two")  # as long as before
    s3.delete_object(Bucket=aws.BUCKET, Key="dags/dbt/shop/models/target/a.sql")
    second = sync.once()
    assert (second.written, second.removed) == (["one.py"], ["dbt/shop/models/target/a.sql"])
    assert (folder / "one.py").read_text() == "two"
    assert not (folder / "dbt/shop/models").exists()


def test_another_prefix_is_another_folder_of_dags(s3: Any, tmp_path: Path) -> None:
    s3.put_object(Bucket=aws.BUCKET, Key="team/dags/two.py", Body=b"2")
    sync = DagSync(s3, tmp_path)
    sync.once()
    sync.prefix = "team/dags/"
    changes = sync.once()
    assert changes.written == ["two.py"]
    assert "one.py" in changes.removed


def test_compiled_files_and_files_being_written_are_no_part_of_it(s3: Any, tmp_path: Path) -> None:
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "one.py").write_text("one")
    (tmp_path / "dbt/shop/models/target").mkdir(parents=True)
    (tmp_path / "dbt/shop/models/target/a.sql").write_text("select 1")
    (tmp_path / "__pycache__/one.cpython-311.pyc").write_text("")
    (tmp_path / ".sync-abc").write_text("half")
    assert not DagSync(s3, tmp_path).once()
    assert (tmp_path / ".sync-abc").exists()
