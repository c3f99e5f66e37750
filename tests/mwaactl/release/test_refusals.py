"""What bad input gets: said before the first write, with what to do."""

import dataclasses
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mwaactl import manifest, release
from mwaactl.errors import Problem
from mwaactl.release import dag_imports
from tests.mwaactl.release.conftest import Place

IMPORTS = dag_imports.dags


def refused(place: Place, words: str, **how: Any) -> Problem:
    """Check that an apply is refused in these words, and has written nothing."""

    def versions() -> int:
        return len(place.s3.list_object_versions(Bucket=place.environment.bucket).get("Versions", []))

    there = place.environment.bucket in [one["Name"] for one in place.s3.list_buckets()["Buckets"]]
    before, updates = versions() if there else 0, len(place.mwaa.updates)
    with pytest.raises(Problem, match=f"(?s){words}") as caught:
        place.apply(**how)
    assert (versions() if there else 0, len(place.mwaa.updates)) == (before, updates)
    return caught.value


def test_another_account(place: Place) -> None:
    place.environment = dataclasses.replace(place.environment, account="210987654321")
    refused(place, r"belongs to the account 210987654321, but these credentials are of 123456789012.*AWS_PROFILE")


def test_no_bucket(place: Place) -> None:
    place.environment = dataclasses.replace(place.environment, bucket="another-one")
    refused(place, "There is no bucket another-one in eu-central-1.*Create it")


def test_another_region(place: Place) -> None:
    name = "elsewhere-mwaa"
    place.s3_of("us-west-2").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    place.environment = dataclasses.replace(place.environment, bucket=name)
    refused(place, "The bucket elsewhere-mwaa is in us-west-2, dev in eu-central-1")


def test_a_bucket_without_versions_that_may_be_public(place: Place) -> None:
    name = "plain-mwaa"
    place.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    place.environment = dataclasses.replace(place.environment, bucket=name)
    place.mwaa.environment["SourceBucketArn"] = f"arn:aws:s3:::{name}"
    refused(place, "isn't versioned.*put-bucket-versioning")
    place.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    refused(place, "may be public: BlockPublicAcls.*put-public-access-block")


def test_no_environment(place: Place) -> None:
    place.environment = dataclasses.replace(place.environment, mwaa="nothing")
    refused(place, "no MWAA environment nothing in eu-central-1")


def test_an_environment_of_another_bucket_or_folder(place: Place) -> None:
    place.mwaa.environment["SourceBucketArn"] = "arn:aws:s3:::another"
    refused(place, "flights-dev reads the bucket another, not flights-dev-mwaa")
    place.mwaa.environment.update(SourceBucketArn="arn:aws:s3:::flights-dev-mwaa", DagS3Path="team/dags")
    refused(place, "reads its DAGs from team/dags.*prefix")


def test_another_partition_of_aws_names_the_bucket_otherwise(place: Place) -> None:
    place.mwaa.environment["SourceBucketArn"] = "arn:aws-us-gov:s3:::flights-dev-mwaa"
    assert release.plan(place.environment, place.source).added


@pytest.mark.parametrize("status", ["UPDATING", "MAINTENANCE", "CREATING"])
def test_a_busy_environment(place: Place, status: str) -> None:
    place.mwaa.environment["Status"] = status
    refused(place, f"flights-dev is {status}, so it takes no release now.*Wait")


def test_a_missing_permission_is_named_with_its_resource(place: Place, moto_url: str) -> None:
    """Real credentials under moto's IAM: what isn't allowed is found by asking for writes that can't happen."""
    import boto3
    import requests

    iam = boto3.client("iam", endpoint_url=moto_url, region_name="eu-central-1")
    iam.create_user(UserName="ci")
    key = iam.create_access_key(UserName="ci")["AccessKey"]
    # s3:HeadBucket is moto's own name; AWS asks for s3:ListBucket.
    allowed = ["s3:ListBucket", "s3:HeadBucket", "s3:Get*", "s3:DeleteObject", "airflow:*"]
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": allowed, "Resource": "*"}]}
    iam.put_user_policy(UserName="ci", PolicyName="p", PolicyDocument=json.dumps(document))

    def client(self: Any, service: str) -> Any:
        place_url = self.endpoints.get(service) or self.endpoints[""]
        secret = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
        from botocore.config import Config

        config = Config(inject_host_prefix=False, s3={"addressing_style": "path"})
        return boto3.client(service, endpoint_url=place_url, region_name=self.region, config=config, **secret)

    requests.post(f"{moto_url}/moto-api/reset-auth", data=b"0", timeout=10).raise_for_status()
    try:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("mwaactl.environments.Environment.client", client)
            assert release.plan(place.environment, place.source).added  # who may only read may plan
            with pytest.raises(Problem) as caught:
                place.apply()
    finally:
        requests.post(f"{moto_url}/moto-api/reset-auth", data=b"inf", timeout=10)
    assert "No permission: s3:PutObject on arn:aws:s3:::flights-dev-mwaa/dags/.mwaactl-permission" in caught.value.what


def test_files_that_no_release_put_there(place: Place) -> None:
    place.s3.put_object(Bucket=place.environment.bucket, Key="dags/theirs.py", Body=b"x")
    refused(place, r"holds 1 files that no release put there: dags/theirs\.py.*--take-over")
    place.apply(take_over=True)
    assert "dags/theirs.py" not in place.listed()


def test_a_release_of_another_project(place: Place) -> None:
    place.apply()
    for path in (*(place.source / "dags").glob("*.py"), place.source / "dbt"):
        path.rename(path.with_name(f"{path.name}.away"))
    place.write("dags/other.py", "from airflow.sdk import DAG\nDAG('other')  # dag: other\n")
    refused(place, r"of another project \(dags/dbt/shop, dags/helper\.py, dags/one\.py, \.\.\.\)")


def commit(source: Path, name: str) -> str:
    def git(*arguments: str) -> str:
        line = ["git", "-C", str(source), "-c", "user.name=t", "-c", "user.email=t@example.com", *arguments]
        return subprocess.run(line, check=True, capture_output=True, text=True).stdout.strip()

    if not (source / ".git").exists():
        git("init", "-q", "-b", "main")
    git("add", "-A")
    git("commit", "-qm", name)
    return git("rev-parse", "HEAD")


def test_a_newer_release_of_somebody_else(place: Place) -> None:
    first = commit(place.source, "first")
    place.write("dags/helper.py", "X = 2\n")
    second = commit(place.source, "second")
    done = place.apply()
    assert (done.record.commit, done.record.dirty) == (second, False)
    subprocess.run(["git", "-C", str(place.source), "reset", "-q", "--hard", first], check=True)
    place.write("dags/helper.py", "X = 3\n")
    refused(place, f"runs {done.record.release} of commit {second[:12]}.*not part of this checkout")
    assert place.apply(take_over=True).record.dirty


def test_a_commit_that_was_not_fetched(place: Place) -> None:
    commit(place.source, "first")
    place.apply()
    place.write("dags/helper.py", "X = 3\n")
    subprocess.run(["rm", "-rf", str(place.source / ".git")], check=True)
    commit(place.source, "another history")
    refused(place, "which git does not know here.*its whole history")


def test_a_manifest_older_than_its_sources(place: Place) -> None:
    place.write("dbt/shop/models/a.sql", "select 100")
    refused(place, r"render_manifest\.json is older than the files.*mwaactl manifest build shop")
    (place.source / "dbt/shop/build/render_manifest.json").unlink()
    refused(place, r"render_manifest\.json is missing")
    place.apply(skip=("manifests",))


def test_packages_that_are_gone(place: Place) -> None:
    """`dbt clean` takes them, and leaves the manifest as it is."""
    place.write("dbt/shop/packages.yml", "packages: [{local: ../box}]\n")
    project = place.source / "dbt" / "shop"
    built = project / "build" / "render_manifest.json"
    content = json.loads(built.read_text())
    content["metadata"]["fingerprint"] = manifest.fingerprint(project, content["metadata"]["dbt_version"])
    built.write_text(json.dumps(content))
    refused(place, "The dbt packages of shop are gone.*mwaactl manifest build shop")
    place.write("dbt/shop/dbt_packages/box/dbt_project.yml", "name: box\n")
    place.apply()


def test_a_manifest_of_another_dbt(place: Place) -> None:
    place.write("requirements-dbt.txt", "dbt-core==1.12.0\n")
    refused(place, r"is of dbt 1\.11\.0; requirements-dbt\.txt says 1\.12\.0")


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("dags/helper.py", 'K = "AKIA' + 'QQQQWWWWEEEERRRR"\n', "AWS Access Key"),
        ("dbt/shop/models/a.sql", "-- postgres://me:hunter22@host/db\n", "Basic Auth"),
        ("plugins/mwaa_x/keys.py", "K = '-----BEGIN RSA PRIVATE KEY-----'\n", "Private Key"),
        ("startup.sh", "export T=xoxb-" + "123456789012-123456789012-abcdefghijklmnopqrstuvwx\n", "Slack Token"),
    ],
)
def test_a_secret_is_named_by_its_place_and_never_shown(place: Place, name: str, text: str, what: str) -> None:
    place.write(name, text)
    place.build()
    problem = refused(place, rf"{name}:1 looks like a secret \({what}")
    assert text.strip()[6:] not in problem.message
    place.write(name, f"{text.strip()}  # pragma: allowlist secret\n")
    place.build()
    place.apply()


def test_sizes_and_names(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mwaactl.release.files.FILE_LIMIT", 1000)
    place.write("dags/big.csv", "x" * 1001)
    place.write("dags/dbt_daily.py", "x = 1\n")
    place.write("dags/tab\there.txt", "x")
    place.write("infra/configuration-options.yaml", 'core.parallelism: "ä"\n')
    words = refused(place, "4 things stand against this release").message
    for part in (
        "big.csv has 0 MB, more than",
        "dbt_daily.py: dbt imports",
        "tab\\there",
        "the option core.parallelism",
    ):
        assert part in words


def test_an_unreadable_environments_answer_is_no_success(place: Place) -> None:
    place.environment = dataclasses.replace(
        place.environment, endpoints={**place.environment.endpoints, "mwaa": "http://127.0.0.1:9"}
    )
    refused(place, "mwaa in eu-central-1 can't be reached")
