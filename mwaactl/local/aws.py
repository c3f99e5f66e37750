"""The stand-in for AWS (moto) and clients for it."""

import logging
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from mwaactl.local.layout import BUCKET, REGION

ACCOUNT = "123456789012"  # moto's own account


def credentials(port: int, mwaa_port: int) -> dict[str, str]:
    """Return the environment variables with which any AWS client talks to moto on `port`, MWAA's to `mwaa_port`."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ENDPOINT_URL_MWAA": f"http://127.0.0.1:{mwaa_port}",
        # MWAA's operations put `api.` and `env.` before the host's name, which an address doesn't have.
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def client(service: str, port: int) -> Any:
    """Return a boto3 client of `service` for moto on `port`, whatever AWS settings the caller's shell has."""
    session = boto3.session.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=REGION)  # noqa: S106
    config = Config(retries={"max_attempts": 3}, s3={"addressing_style": "path"}, ignore_configured_endpoint_urls=False)
    return session.client(service, endpoint_url=f"http://127.0.0.1:{port}", config=config)


def start(port: int) -> Any:
    """Start moto on `port` in a thread of this process and return the server; its `stop()` ends it."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    return server


def fill(prefix: str, directory: Path) -> int:
    """Put every file below `directory` into the bucket under `prefix`; return how many there are.

    Goes past HTTP, straight into moto's memory: the demo data are hundreds of small objects. Only works in the process
    that runs moto.
    """
    from moto.s3.models import s3_backends

    backend = s3_backends[ACCOUNT]["aws"]
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    for path in files:
        backend.put_object(BUCKET, f"{prefix}{path.relative_to(directory).as_posix()}", path.read_bytes())
    return len(files)
