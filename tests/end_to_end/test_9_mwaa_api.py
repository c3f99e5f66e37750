"""MWAA's API of a running environment: what it tells, what it passes on, and updates that don't work."""

import base64
import json
import subprocess
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml

from mwaactl import environments
from mwaactl.local import components, image
from mwaactl.local.layout import BUCKET, NAME
from mwaactl.local.options import OPTIONS_FILE
from mwaactl.local.state import read_json
from tests.end_to_end.support import until
from tests.local_environment import LocalEnvironment

pytestmark = pytest.mark.end_to_end

FAILING = b"echo these are its last words\nset -e\nfalse\n"
NOT_THERE = b"astronomer-cosmos==0.0.0.dev0\n"


def described(environment: LocalEnvironment) -> dict[str, Any]:
    found: dict[str, Any] = environment.client("mwaa").get_environment(Name=NAME)["Environment"]
    return found


def invoke(environment: LocalEnvironment, path: str) -> Any:
    return environment.client("mwaa").invoke_rest_api(Name=NAME, Path=path, Method="GET")["RestApiResponse"]


def update(environment: LocalEnvironment, **members: str) -> list[str]:
    """Update the environment and wait; return the states that were seen."""
    environment.client("mwaa").update_environment(Name=NAME, **members)
    seen: list[str] = []

    def over() -> bool:
        if (status := described(environment)["Status"]) not in seen:
            seen.append(status)
        return status in ("AVAILABLE", "UPDATE_FAILED", "UNAVAILABLE")

    until(over, limit=600)
    return seen


def put(environment: LocalEnvironment, key: str, content: bytes) -> str:
    return str(environment.client("s3").put_object(Bucket=BUCKET, Key=key, Body=content)["VersionId"])


def test_the_environment_is_what_was_released(environment: LocalEnvironment) -> None:
    found = described(environment)
    assert found["Status"] in ("AVAILABLE", "UPDATE_FAILED")
    options = yaml.safe_load((environment.source / OPTIONS_FILE).read_text())
    own = environments.read(environments.LOCAL, environment.source, environment.layout).own_options
    assert found["AirflowConfigurationOptions"] == {**options, **own}
    s3 = environment.client("s3")
    for part, name in (("StartupScript", "startup.sh"), ("Requirements", "requirements.txt")):
        version = found[f"{part}S3ObjectVersion"]
        content = s3.get_object(Bucket=BUCKET, Key=found[f"{part}S3Path"], VersionId=version)["Body"].read()
        assert content == (environment.source / name).read_bytes()


def test_airflows_rest_api_is_passed_on(environment: LocalEnvironment) -> None:
    assert invoke(environment, "/dags")["total_entries"] == environment.api.get("/dags")["total_entries"]
    client = environment.client("mwaa")
    with pytest.raises(client.exceptions.RestApiClientException) as caught:
        client.invoke_rest_api(Name=NAME, Path="/dags/no_such_dag", Method="GET")
    assert caught.value.response["RestApiStatusCode"] == 404


def test_the_login_token_opens_airflow(environment: LocalEnvironment) -> None:
    made = environment.client("mwaa").create_web_login_token(Name=NAME)
    login = f"http://{made['WebServerHostname']}/pluginsv2/aws_mwaa/login"
    with urllib.request.urlopen(login, urlencode({"token": made["WebToken"]}).encode()) as answer:
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
    request = urllib.request.Request(
        f"{described(environment)['WebserverUrl']}/api/v2/dags", headers={"Cookie": cookie}
    )
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer)["total_entries"] > 0


def test_the_cli_is_the_environments_own(environment: LocalEnvironment) -> None:
    made = environment.client("mwaa").create_cli_token(Name=NAME)
    headers = {"Authorization": f"Bearer {made['CliToken']}", "Content-Type": "text/plain"}
    request = urllib.request.Request(
        f"http://{made['WebServerHostname']}/aws_mwaa/cli", b"dags list -o json", headers, method="POST"
    )
    with urllib.request.urlopen(request, timeout=300) as answer:
        stdout = base64.b64decode(json.load(answer)["stdout"]).decode()
    listed = json.loads(stdout[stdout.index("[{") :])  # Airflow's warnings go there, too
    assert "flights_load" in {dag["dag_id"] for dag in listed}


def test_a_dags_boto3_reaches_it(environment: LocalEnvironment) -> None:
    requirements = environment.source / "requirements.txt"
    venv = image.environment(environment.layout.venvs, environment.layout.airflow_version, requirements, print)
    variables = components.container_environment(
        environment.layout, "worker", venv, read_json(environment.layout.state_file)["ports"]
    )
    code = "import boto3; print(boto3.client('mwaa').get_environment(Name='local')['Environment']['Arn'])"
    done = subprocess.run([venv / "bin" / "python", "-c", code], env=variables, capture_output=True, text=True)
    assert done.stdout.strip() == described(environment)["Arn"], done.stderr


def test_a_failing_start_up_script_is_rolled_back(environment: LocalEnvironment) -> None:
    before = described(environment)
    version = put(environment, "startup.sh", FAILING)
    seen = update(environment, StartupScriptS3Path="startup.sh", StartupScriptS3ObjectVersion=version)
    after = described(environment)
    assert seen[-1] == "UPDATE_FAILED"
    assert after["StartupScriptS3ObjectVersion"] == before["StartupScriptS3ObjectVersion"]
    assert "these are its last words" in after["LastUpdate"]["Error"]["ErrorMessage"]
    placed = Path(environment.layout.airflow_home / "startup" / "startup.sh").read_bytes()
    assert placed == (environment.source / "startup.sh").read_bytes()
    assert environment.cli("status").returncode == 0
    assert invoke(environment, "/dags")["total_entries"] > 0


@pytest.mark.long
def test_requirements_that_can_not_be_installed_leave_import_errors(environment: LocalEnvironment) -> None:
    before = described(environment)["RequirementsS3ObjectVersion"]
    version = put(environment, "requirements.txt", NOT_THERE)
    seen = update(environment, RequirementsS3Path="requirements.txt", RequirementsS3ObjectVersion=version)
    assert seen[-1] == "AVAILABLE"

    def errors() -> list[str]:
        return [error["stack_trace"] for error in invoke(environment, "/importErrors")["import_errors"]]

    assert "cosmos" in until(errors, limit=120, every=1)[0]
    assert "astronomer-cosmos" in "\n".join(read_json(environment.layout.state_file)["notes"])
    assert update(environment, RequirementsS3ObjectVersion=before)[-1] == "AVAILABLE"
    until(lambda: not errors(), limit=120, every=1)
    environment.up()  # the bucket's own requirements.txt, too, is the project's again
    assert environment.cli("status").returncode == 0
