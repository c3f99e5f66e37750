"""Airflow's own command line in an MWAA environment, through MWAA's CLI endpoint."""

import base64
import http.client
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from mwaactl.environments import Environment
from mwaactl.errors import Problem
from mwaactl.release.calls import calling

#: Seconds until an answer is given up. MWAA's own limit isn't documented; its CLI tokens last 60 s.
LIMIT = 320.0
PATH = "/aws_mwaa/cli"


@dataclass(frozen=True)
class Answer:
    """What a command wrote, and whether it succeeded (MWAA tells no exit status)."""

    succeeded: bool
    stdout: str
    stderr: str


def run(environment: Environment, arguments: Sequence[str]) -> Answer:
    """Run `airflow` with `arguments` in `environment` and return what it wrote.

    The protocol is the MWAA user guide's ("Creating an Apache Airflow CLI token"): a token of 60 s, the command as
    text, both streams in base64. Raises Problem when the environment can't be asked.
    """
    client = environment.client("mwaa")
    with calling(environment, "mwaa", "", "CreateCliToken"):
        try:
            made = client.create_cli_token(Name=environment.mwaa)
        except client.exceptions.ResourceNotFoundException as error:
            raise Problem(
                f"There is no MWAA environment {environment.mwaa} in {environment.region}.",
                "Correct `mwaa` or `region` in infra/environments.yaml.",
            ) from error
    local = environment.endpoints.get("mwaa")
    host = made["WebServerHostname"]
    connection: http.client.HTTPConnection = (
        http.client.HTTPConnection(urlsplit(local).netloc, timeout=LIMIT)
        if local
        else http.client.HTTPSConnection(host, timeout=LIMIT)
    )
    headers = {"Authorization": f"Bearer {made['CliToken']}", "Content-Type": "text/plain"}
    try:
        connection.request("POST", PATH, shlex.join(arguments), headers)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Problem(
            f"{host} does not answer: {error}",
            "A private web server is reached from within its VPC only.",
        ) from error
    finally:
        connection.close()
    return _answer(host, answer.status, body)


def _answer(host: str, status: int, body: bytes) -> Answer:
    try:
        content = json.loads(body)
        streams = [base64.b64decode(content.get(name, "")).decode(errors="replace") for name in ("stdout", "stderr")]
    except (ValueError, AttributeError):
        words = body.decode(errors="replace").strip()[:500]
        raise Problem(f"{host} refused the command: {status} {words}", "See `mwaactl release status`.") from None
    return Answer(status == 200, *streams)
