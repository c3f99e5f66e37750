"""The HTTP server of MWAA's API, and of the two endpoints that MWAA's webserver adds to Airflow's: login and CLI."""

import json
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from werkzeug import Request, Response
from werkzeug.serving import make_server

from mwaactl.local.layout import Layout
from mwaactl.local.mwaa import cli, service_model
from mwaactl.local.mwaa.errors import Refused, invalid
from mwaactl.local.mwaa.operations import Operations
from mwaactl.local.mwaa.tokens import Tokens

log = logging.getLogger("mwaactl.local")
LOGIN, CLI = "/pluginsv2/aws_mwaa/login", "/aws_mwaa/cli"
MAX_BODY = 16 * 2**20  # bytes; more is no request of ours


class Server:
    """A WSGI application. Signatures are not checked: whoever reaches the loopback interface is the owner."""

    def __init__(
        self,
        operations: Operations,
        tokens: Tokens,
        layout: Layout,
        runner: cli.Runner,
        airflow_environment: Callable[[], Mapping[str, str]],
    ) -> None:
        """`airflow_environment`: the variables of Airflow's webserver as it runs now, empty when it doesn't."""
        self._operations = operations
        self._tokens = tokens
        self._layout = layout
        self._runner = runner
        self._airflow_environment = airflow_environment

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        request.max_content_length = MAX_BODY
        return self._answer(request)(environ, start_response)

    def _answer(self, request: Request) -> Response:
        if request.method == "POST" and request.path == LOGIN:
            return self._log_in(request)
        if request.method == "POST" and request.path == CLI:
            return self._run_command(request)
        path = request.environ.get("RAW_URI", request.path).partition("?")[0]  # as sent: quoted
        if not (found := service_model.operation(request.method, path)):
            return _refusal("UnknownOperationException", 404, {"message": f"{request.method} {request.path}"})
        operation, members = found
        try:
            members = _members(request, operation.input_shape) | members
            if wrong := service_model.violations(operation.input_shape, members):
                count = f"{len(wrong)} validation error{'s' if len(wrong) > 1 else ''} detected"
                raise invalid(f"{count}: {'; '.join(wrong)}")
            return _as_json(self._operations.call(operation.name, members))
        except Refused as refused:
            return _refusal(refused.code, refused.status, refused.members)
        except Exception as error:
            log.exception("%s", operation.name)
            return _refusal("InternalServerException", 500, {"message": f"{type(error).__name__}: see supervisor.log"})

    def _log_in(self, request: Request) -> Response:
        if not self._tokens.accept("web", request.form.get("token", ""), once=True):
            return Response("Forbidden", 403)
        try:
            session = self._operations.session()
        except OSError as error:
            return Response(f"Airflow does not answer: {error}", 503)
        answer = Response("Logged in.", 200, mimetype="text/plain")
        answer.set_cookie("_token", session, httponly=False, samesite="Lax")
        return answer

    def _run_command(self, request: Request) -> Response:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not self._tokens.accept("cli", token, once=False):
            return Response("Forbidden", 403)
        if request.mimetype != "text/plain":
            return Response("The command is the body, as text/plain.", 415)
        environment = self._airflow_environment()
        if not environment:
            return Response("Airflow is not running.", 503)
        try:
            found = cli.arguments(request.get_data(as_text=True))
            output = self._runner.run(found, environment, self._layout.airflow_home)
        except ValueError as error:
            output = cli.Output(2, b"", f"{error}\n".encode())
        return _as_json(output.members(), 200 if output.status == 0 else 400)


def _members(request: Request, shape: Any) -> dict[str, Any]:
    """Return an input's members from query string and body. Raises Refused when the body is no JSON object."""
    found = service_model.query_members(shape, request.args)
    if body := request.get_data():
        try:
            content = json.loads(body)
        except ValueError:
            raise Refused("ValidationException", message="The request's body is not JSON.") from None
        if not isinstance(content, dict):
            raise Refused("ValidationException", message="The request's body is not a JSON object.")
        found |= content
    return found


def _refusal(code: str, status: int, members: Mapping[str, Any]) -> Response:
    answer = _as_json(members, status)
    answer.headers["x-amzn-ErrorType"] = code
    return answer


def _as_json(members: Mapping[str, Any], status: int = 200) -> Response:
    def other(value: Any) -> Any:
        if isinstance(value, datetime):
            return value.timestamp()  # rest-json writes moments as seconds since the epoch
        raise TypeError(type(value).__name__)

    return Response(json.dumps(members, default=other), status, mimetype="application/json")


def start(port: int, application: Server) -> None:
    """Serve on `port` of the loopback interface, in threads that end with this process."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", port, application, threaded=True)
    threading.Thread(target=server.serve_forever, name="mwaa", daemon=True).start()
