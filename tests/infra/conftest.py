"""An AWS that enforces IAM, with the roles of infra/ in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.infra import enforced_aws, stacks
from tests.infra.enforced_aws import EnforcedAws

BUCKET, RAW, FOREIGN = "flights-stage-mwaa", "raw-files", "flights-prod-mwaa"
_BLOCK = "PublicAccessBlockConfiguration"
SECRETS = ("flights_stage", "flights_prod", "flights_ci", "slack", "mail", "smtp")


@dataclass(frozen=True)
class Roles:
    """Credentials of the three roles, at an AWS that allows nothing else."""

    aws: EnforcedAws
    execution: dict[str, Any]
    plan: dict[str, Any]
    deploy: dict[str, Any]


@pytest.fixture(scope="session")
def roles() -> Iterator[Roles]:
    """Return the roles as the templates make them for stage; buckets of stage, of prod and of raw files; secrets."""
    with enforced_aws.running() as aws:
        s3, secrets = aws.client("s3"), aws.client("secretsmanager")
        for name in (BUCKET, RAW, FOREIGN):
            s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": stacks.REGION})
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
            closed = dict.fromkeys(stacks.template("environment")["Resources"]["Bucket"]["Properties"][_BLOCK], True)
            s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=closed)
            s3.put_object(Bucket=name, Key="raw/planes.csv.gz", Body=b"planes")
        for name in SECRETS:
            value = f'{{"conn_type": "duckdb", "host": "/{name}"}}'
            secrets.create_secret(Name=f"airflow/connections/{name}", SecretString=value)
        ci = stacks.resolved("ci-role")
        made = Roles(
            aws=aws,
            execution=aws.role(stacks.resolved("environment")["ExecutionRole"]),
            plan=aws.role(ci["PlanRole"]),
            deploy=aws.role(ci["DeployRole"]),
        )
        aws.enforce()
        yield made
