"""Real DAG runs with nothing but the execution role of infra/environment.yaml, at an AWS that enforces IAM."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mwaactl.landing import write_landing
from mwaactl.local import secrets
from mwaactl.local.layout import BUCKET, REPOSITORY
from mwaactl.local.state import read_json
from tests.infra import enforced_aws, stacks
from tests.infra.enforced_aws import EnforcedAws
from tests.local_environment import LocalEnvironment

pytestmark = [pytest.mark.end_to_end, pytest.mark.long, pytest.mark.timeout(1800)]
DAY = "2013-01-05"
# The test compares with a fact table that this day is not in.
SELECT = {"select": "stg_flights", "exclude": "assert_flights_match_what_is_loaded"}


def fill(aws: EnforcedAws, environment: LocalEnvironment) -> None:
    """Give this AWS what the local one has: the connections, and the raw files of one day."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": stacks.REGION})
    landing = REPOSITORY / ".local" / "raw"
    write_landing(landing)
    for name in (f"flights/{DAY}.csv.gz", f"weather/{DAY}.csv.gz", "planes.csv.gz"):
        s3.put_object(Bucket=BUCKET, Key=f"raw/{name}", Body=(landing / name).read_bytes())
    ports = read_json(environment.layout.state_file)["ports"]
    secrets.store(aws.client("secretsmanager"), secrets.connections(environment.layout, ports))


@pytest.fixture
def execution_role(environment: LocalEnvironment) -> Iterator[None]:
    """Let tasks be what the environment's start-up script makes them: sessions of dev's execution role."""
    script: Path = environment.source / "startup.sh"
    before, bucket = script.read_text(), {"BucketName": BUCKET, "RawBucketName": BUCKET}
    properties: dict[str, Any] = stacks.resolved("environment", "dev", **bucket)["ExecutionRole"]
    with enforced_aws.running() as aws:
        fill(aws, environment)
        variables = aws.environment(aws.role(properties))
        aws.enforce()
        ours = "# pragma: allowlist secret"  # a key of moto's
        exports = "".join(f"export {name}={json.dumps(value)} {ours}\n" for name, value in variables.items())
        script.write_text(f"{exports}{before}")
        try:
            environment.up()
            yield
        finally:
            script.write_text(before)
            environment.up()


@pytest.mark.usefixtures("execution_role")
def test_a_day_is_loaded_and_transformed_and_another_targets_connection_is_out_of_reach(
    environment: LocalEnvironment,
) -> None:
    load = environment.run("flights_load", day=DAY)
    assert load.succeeded, load
    transform = environment.run("flights_transform", SELECT)
    assert transform.succeeded, transform
    other = environment.run("flights_transform", {**SELECT, "target": "stage"})
    assert not other.succeeded
    assert "flights_stage" in environment.log(other, other.failed[0]["task_id"])
