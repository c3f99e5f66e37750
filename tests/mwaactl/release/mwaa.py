"""A stand-in for MWAA's API over HTTP, for tests of releases: as botocore's service model has it.

It knows one environment, whose "Airflow" shows a DAG for each file of dags/ in the bucket that says `dag: NAME`, and an
import error for each that says `broken`.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import botocore.session
from botocore.validate import ParamValidator

MODEL = botocore.session.get_session().get_service_model("mwaa")
FIELDS = ("Plugins", "Requirements", "StartupScript")


class Refused(Exception):
    def __init__(self, code: str, message: str, **more: Any) -> None:
        self.code, self.content = code, {"message": message, **more}


class Mwaa:
    """The environment `name`. `fail_updates` makes MWAA take updates back."""

    def __init__(self, s3: Any, bucket: str, name: str = "flights-dev") -> None:
        self.s3, self.bucket, self.name = s3, bucket, name
        self.update_seconds = 0.2
        self.fail_updates = False
        self.updates: list[dict[str, Any]] = []
        self.calls: list[tuple[str, str]] = []
        self.rest: dict[tuple[str, str], Callable[[dict[str, Any], Any], Any]] = {}
        self.environment: dict[str, Any] = {
            "Name": name,
            "Status": "AVAILABLE",
            "AirflowVersion": "3.3.1",
            "SourceBucketArn": f"arn:aws:s3:::{bucket}",
            "DagS3Path": "dags",
            "AirflowConfigurationOptions": {},
        }
        self._after: tuple[float, dict[str, Any]] | None = None

    def finish(self) -> None:
        """End an update that is under way."""
        if self._after:
            self._after = (0.0, self._after[1])
        self.get_environment()

    def get_environment(self) -> dict[str, Any]:
        if self._after and time.monotonic() >= self._after[0]:
            self.environment.update(self._after[1])
            self._after = None
        return {"Environment": self.environment}

    def update_environment(self, wanted: dict[str, Any]) -> dict[str, Any]:
        if self.get_environment()["Environment"]["Status"] not in ("AVAILABLE", "UPDATE_FAILED"):
            raise Refused("ValidationException", f"The environment is {self.environment['Status']}")
        for field in FIELDS:
            path, version = wanted.get(f"{field}S3Path"), wanted.get(f"{field}S3ObjectVersion")
            if path and not version:
                raise Refused("ValidationException", f"{field}S3ObjectVersion is required with {field}S3Path")
            if path:
                self.s3.head_object(Bucket=self.bucket, Key=path, VersionId=version)
        strategy = wanted.get("WorkerReplacementStrategy", "FORCED")
        if strategy == "GRACEFUL" and "LastUpdate" not in self.environment:
            raise Refused("ValidationException", "Graceful worker replacement needs one FORCED update first")
        self.updates.append(wanted)
        wanted.pop("WorkerReplacementStrategy", None)
        last = {"CreatedAt": time.time(), "WorkerReplacementStrategy": strategy}
        self.environment.update(Status="UPDATING", LastUpdate={**last, "Status": "PENDING"})
        if self.fail_updates:
            error = {"ErrorCode": "INCORRECT_CONFIGURATION", "ErrorMessage": "startup.sh failed"}
            after = {"Status": "UPDATE_FAILED", "LastUpdate": {**last, "Status": "FAILED", "Error": error}}
        else:
            after = {**wanted, "Status": "AVAILABLE", "LastUpdate": {**last, "Status": "SUCCESS"}}
        self._after = (time.monotonic() + self.update_seconds, after)
        return {"Arn": f"arn:aws:airflow:eu-central-1:123456789012:environment/{self.name}"}

    def invoke_rest_api(self, asked: dict[str, Any]) -> dict[str, Any]:
        method, path = asked["Method"], asked["Path"]
        self.calls.append((method, path))
        if len(path) > 64:
            raise Refused("ValidationException", "Path is longer than 64")
        handler = self.rest.get((method, path)) or {
            ("GET", "/importErrors"): self._import_errors,
            ("GET", "/dags"): self._dags,
        }.get((method, path))
        if handler is None:
            not_found = {"RestApiStatusCode": 404, "RestApiResponse": {"detail": f"{path} not found"}}
            raise Refused("RestApiClientException", "", **not_found)
        return {
            "RestApiStatusCode": 200,
            "RestApiResponse": handler(asked.get("QueryParameters") or {}, asked.get("Body")),
        }

    def _files(self) -> Iterator[tuple[str, str]]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix="dags/")
        for key in [entry["Key"] for page in pages for entry in page.get("Contents", ())]:
            if key.endswith(".py"):
                text = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read().decode()
                yield key.removeprefix("dags/"), text

    def _import_errors(self, query: dict[str, Any], _: Any) -> dict[str, Any]:
        now = datetime.now(UTC).isoformat()
        found = [
            {"filename": name, "stack_trace": "Traceback\nSyntaxError: broken", "timestamp": now}
            for name, text in self._files()
            if "broken" in text
        ]
        return {"import_errors": found, "total_entries": len(found)}

    def _dags(self, query: dict[str, Any], _: Any) -> dict[str, Any]:
        now = datetime.now(UTC).isoformat()
        found = [
            {"dag_id": match[1], "is_stale": False, "last_parsed_time": now, "relative_fileloc": name}
            for name, text in self._files()
            if "broken" not in text and (match := re.search(r"dag: (\w+)", text))
        ]
        page = found[query.get("offset", 0) :][: query.get("limit", 50)]
        return {"dags": page, "total_entries": len(found)}


def _checked(operation: str, answer: dict[str, Any]) -> dict[str, Any]:
    """Return `answer` if it fits the service model of `operation`."""
    report = ParamValidator().validate(answer, MODEL.operation_model(operation).output_shape)
    assert not report.has_errors(), report.generate_report()
    return answer


@contextmanager
def serving(mwaa: Mwaa) -> Iterator[str]:
    """Serve `mwaa` over HTTP and return the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("GetEnvironment", lambda _: mwaa.get_environment())

        def do_PATCH(self) -> None:
            self._answer("UpdateEnvironment", mwaa.update_environment)

        def do_POST(self) -> None:
            self._answer("InvokeRestApi", mwaa.invoke_rest_api)

        def _answer(self, operation: str, work: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            status, headers = 200, {}
            try:
                if unquote(self.path).rsplit("/", 1)[-1] != mwaa.name:
                    raise Refused("ResourceNotFoundException", f"no {self.path}")
                content = _checked(operation, work(body))
            except Refused as refused:
                shape = MODEL.shape_for(refused.code)
                status = shape.metadata["error"]["httpStatusCode"]
                headers, content = {"x-amzn-ErrorType": refused.code}, refused.content
            data = json.dumps(content).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Type": "application/json", "Content-Length": len(data)}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
