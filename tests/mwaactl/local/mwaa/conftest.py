"""MWAA's endpoint with moto's S3 behind it, as boto3 sees both. No Airflow runs here: an HTTP server stands for it."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mwaactl.environments import Environment
from mwaactl.local import aws, bucket, services
from mwaactl.local.layout import BUCKET, NAME, REGION, REPOSITORY, Layout
from mwaactl.local.mwaa.cli import Runner
from mwaactl.local.mwaa.record import EnvironmentRecord
from tests.ports import free_ports


@dataclass
class Endpoint:
    """A running endpoint; `webserver` are the variables of Airflow's webserver, to be filled by tests of the CLI."""

    ports: dict[str, int]
    record: EnvironmentRecord
    layout: Layout
    s3: Any
    mwaa: Any
    webserver: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['mwaa']}"

    def put(self, key: str, content: bytes) -> str:
        """Write an object and return the id of its version."""
        return str(self.s3.put_object(Bucket=BUCKET, Key=key, Body=content)["VersionId"])

    def environment(self) -> dict[str, Any]:
        """Return what GetEnvironment says."""
        found: dict[str, Any] = self.mwaa.get_environment(Name=NAME)["Environment"]
        return found


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    names = ("ui", "aws", "mwaa", "slack", "mail")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    moto = aws.start(ports["aws"])
    s3 = aws.client("s3", ports["aws"])
    bucket.create(s3)
    layout = Layout(root=tmp_path, source=REPOSITORY, venvs=tmp_path / "venvs")
    record = services.new_record(ports)
    urls = services.urls(ports)
    environment = Environment(
        "local", NAME, BUCKET, REGION, aws.ACCOUNT, "dev", endpoints={"": urls["aws"], "mwaa": urls["mwaa"]}
    )
    found = Endpoint(ports, record, layout, s3, environment.client("mwaa"))
    services.start_mwaa(layout, ports, record, s3, Runner(), lambda: found.webserver)
    yield found
    s3.delete_objects(
        Bucket=BUCKET,
        Delete={
            "Objects": [
                {"Key": one["Key"], "VersionId": one["VersionId"]}
                for page in s3.get_paginator("list_object_versions").paginate(Bucket=BUCKET)
                for one in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            ]
            or [{"Key": "nothing"}]
        },
    )
    moto.stop()


@pytest.fixture
def airflow(endpoint: Endpoint) -> Iterator[list[dict[str, Any]]]:
    """Serve on the port of Airflow's UI; the answers are what the path asks for, the requests are what is yielded."""
    seen: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            seen.append({"method": self.command, "path": self.path, "body": body})
            answers: dict[str, tuple[int, bytes]] = {
                "/auth/token": (200, b'{"access_token": "a-jwt"}'),
                "/api/v2/teapot": (418, b'{"detail": "short and stout"}'),
                "/api/v2/broken": (500, b"no json"),
                "/api/v2/huge": (200, b'"' + b"x" * (6 * 2**20) + b'"'),
                "/api/v2/empty": (204, b""),
            }
            status, content = answers.get(self.path, (200, b'{"dags": []}'))
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _any  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", endpoint.ports["ui"]), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield seen
    server.shutdown()
    server.server_close()
