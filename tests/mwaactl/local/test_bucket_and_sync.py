"""The way of a project: working tree, bucket, dags/ of the environment."""

from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from mwaactl.errors import Problem
from mwaactl.local import aws, bucket
from mwaactl.local.sync import DagSync


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for name, text in {
        "dags/one.py": "one",
        "dags/.airflowignore": "dbt/",
        "dags/__pycache__/one.cpython-311.pyc": "compiled",
        "dbt/shop/dbt_project.yml": "name: shop",
        "dbt/shop/build/render_manifest.json": "{}",
        "dbt/shop/target/manifest.json": "leftover",
        "dbt/shop/models/target/a.sql": "select 1",
        "dbt/notes/readme.md": "not a project",
        "plugins/mwaa_x/__init__.py": "",
        "requirements.txt": "a==1",
        "requirements-dbt.txt": "dbt-core==1",
        "startup.sh": "true",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        import boto3

        client = boto3.client("s3", region_name=aws.REGION, aws_access_key_id="x", aws_secret_access_key="x")
        bucket.create(client)
        yield client


def test_the_bucket_has_mwaas_layout_and_nothing_else(source: Path) -> None:
    assert sorted(bucket.contents(source)) == [
        "dags/.airflowignore",
        "dags/dbt/shop/build/render_manifest.json",
        "dags/dbt/shop/dbt_project.yml",
        "dags/dbt/shop/models/target/a.sql",
        "dags/one.py",
        "plugins.zip",
        "requirements.txt",
        "startup.sh",
    ]


def test_dag_files_come_after_what_they_read(source: Path) -> None:
    assert list(bucket.contents(source))[-1] == "dags/one.py"


def test_a_missing_file_is_named(source: Path) -> None:
    (source / "startup.sh").unlink()
    with pytest.raises(Problem, match=r"startup\.sh is missing"):
        bucket.contents(source)


def test_only_changes_are_uploaded_and_deletions_follow(source: Path, s3: Any) -> None:
    assert len(bucket.upload(s3, bucket.contents(source)).written) == 8
    assert not bucket.upload(s3, bucket.contents(source))
    (source / "dags/one.py").write_text("two")  # as long as before
    (source / "dbt/shop/models/target/a.sql").unlink()
    changes = bucket.upload(s3, bucket.contents(source))
    assert changes.written == ["dags/one.py"]
    assert changes.removed == ["dags/dbt/shop/models/target/a.sql"]


def test_deletions_leave_the_raw_data_alone(source: Path, s3: Any) -> None:
    s3.put_object(Bucket=aws.BUCKET, Key="raw/planes.csv.gz", Body=b"x")
    bucket.upload(s3, bucket.contents(source))
    assert bucket.etags(s3, "raw/")


def test_the_folder_becomes_what_the_bucket_is(source: Path, s3: Any, tmp_path: Path) -> None:
    folder = tmp_path / "dags"
    folder.mkdir()
    (folder / "stray.py").write_text("from another release")
    bucket.upload(s3, bucket.contents(source))
    sync = DagSync(s3, folder)

    first = sync.once()
    assert first.removed == ["stray.py"]
    assert (folder / "dbt/shop/models/target/a.sql").read_text() == "select 1"
    assert not sync.once()

    (source / "dags/one.py").write_text("two")
    (source / "dbt/shop/models/target/a.sql").unlink()
    bucket.upload(s3, bucket.contents(source))
    second = sync.once()
    assert (second.written, second.removed) == (["one.py"], ["dbt/shop/models/target/a.sql"])
    assert (folder / "one.py").read_text() == "two"
    assert not (folder / "dbt/shop/models").exists()


def test_compiled_files_and_files_being_written_are_no_part_of_it(s3: Any, tmp_path: Path) -> None:
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "one.py").write_text("1")
    (tmp_path / "__pycache__/one.cpython-311.pyc").write_text("")
    (tmp_path / ".sync-abc").write_text("half")
    s3.put_object(Bucket=aws.BUCKET, Key="dags/one.py", Body=b"1")
    assert not DagSync(s3, tmp_path).once()
    assert (tmp_path / ".sync-abc").exists()
