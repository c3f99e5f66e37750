"""What an environment needs before it has a release: AWS, MWAA's API, Slack, mail, the demo's data."""

from collections.abc import Callable, Mapping
from typing import Any

from mwaactl.landing import write_landing
from mwaactl.local import aws, bucket, sink
from mwaactl.local.layout import AIRFLOW_VERSION, BUCKET, NAME, REGION, Layout
from mwaactl.local.mwaa import cli, record, server
from mwaactl.local.mwaa.operations import Operations
from mwaactl.local.mwaa.record import EnvironmentRecord
from mwaactl.local.mwaa.tokens import Tokens

Told = Callable[[str], None]


def urls(ports: Mapping[str, int]) -> dict[str, str]:
    """Return the address of each service, by name."""
    found = {name: f"http://127.0.0.1:{ports[name]}" for name in ("ui", "aws", "mwaa", "slack")}
    return {**found, "mail": f"smtp://127.0.0.1:{ports['mail']}"}


def start_stand_ins(layout: Layout, ports: Mapping[str, int], told: Told) -> Any:
    """Start moto, with an empty bucket, and the sink for Slack and mail; return a client of S3."""
    told("moto (S3, Secrets Manager)")
    aws.start(ports["aws"])
    told("Slack and mail")
    sink.start(layout.messages_file, ports["slack"], ports["mail"])
    s3 = aws.client("s3", ports["aws"])
    bucket.create(s3)
    return s3


def new_record(ports: Mapping[str, int]) -> EnvironmentRecord:
    """Return what MWAA's API says of the environment before its first release."""
    return record.local(NAME, aws.ACCOUNT, REGION, BUCKET, AIRFLOW_VERSION, urls(ports)["ui"])


def start_mwaa(
    layout: Layout,
    ports: Mapping[str, int],
    of: EnvironmentRecord,
    s3: Any,
    runner: cli.Runner,
    webserver: Callable[[], Mapping[str, str]],
) -> None:
    """Start MWAA's API. `webserver` returns the variables of Airflow's webserver; commands are run by `runner`."""
    tokens = Tokens()
    operations = Operations(of, s3, urls(ports)["ui"], f"127.0.0.1:{ports['mwaa']}", tokens)
    server.start(ports["mwaa"], server.Server(operations, tokens, layout, runner, webserver))


def upload_demo_data(layout: Layout, told: Told) -> None:
    """Put the demo's raw data into the bucket, where production's ingestion would put them."""
    told("demo data")
    raw = layout.venvs.parent / "raw"
    write_landing(raw)
    aws.fill("raw/", raw)
