"""boto3's own client on the endpoint: what an environment is, and how it is updated."""

import urllib.error
import urllib.request
from typing import Any

import pytest

from mwaactl.local.layout import BUCKET, NAME
from mwaactl.local.mwaa import record, service_model
from tests.mwaactl.local.mwaa.conftest import Endpoint

#: Where this machine can't be as MWAA is: the loopback interface has no certificate, and a port is part of its host.
KNOWN_DEVIATIONS = ("'environment.webserverUrl'", "'webServerHostname'")


@pytest.fixture
def checked(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    """Return the endpoint with a client that checks each answer against the service model."""
    original = endpoint.mwaa._make_api_call

    def call(name: str, members: dict[str, Any]) -> Any:
        answer = original(name, members)
        shape = service_model.service().operation_model(name).output_shape
        found = {key: value for key, value in answer.items() if key != "ResponseMetadata"}
        wrong = service_model.violations(shape, found)
        assert [one for one in wrong if not any(known in one for known in KNOWN_DEVIATIONS)] == []
        assert set(found) <= set(shape.members)
        return answer

    monkeypatch.setattr(endpoint.mwaa, "_make_api_call", call)
    return endpoint


def files(endpoint: Endpoint, part: str = "Requirements", key: str = "requirements.txt") -> dict[str, str]:
    return {f"{part}S3Path": key, f"{part}S3ObjectVersion": endpoint.put(key, b"# nothing")}


def refusal(call: Any, code: str, **members: Any) -> dict[str, Any]:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - botocore makes the classes at run time
        call(**members)
    found: dict[str, Any] = caught.value.response  # type: ignore[attr-defined]
    assert found["Error"]["Code"] == code == type(caught.value).__name__
    return found


def test_an_environment_without_a_release(checked: Endpoint) -> None:
    assert checked.mwaa.list_environments()["Environments"] == [NAME]
    found = checked.environment()
    assert found["Status"] == "AVAILABLE"
    assert found["SourceBucketArn"] == f"arn:aws:s3:::{BUCKET}"
    assert found["DagS3Path"] == "dags"
    assert found["AirflowVersion"] == "3.3.1"
    assert "RequirementsS3Path" not in found
    assert "LastUpdate" not in found


def test_the_bucket_is_as_mwaa_demands_it(endpoint: Endpoint) -> None:
    assert endpoint.s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    blocked = endpoint.s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]
    assert set(blocked.values()) == {True}
    assert len(blocked) == 4


def test_an_update_goes_through_its_states(checked: Endpoint) -> None:
    wanted = {
        **files(checked),
        **files(checked, "StartupScript", "startup.sh"),
        "AirflowConfigurationOptions": {"core.x": "1"},
        "WorkerReplacementStrategy": "GRACEFUL",
    }
    refused = refusal(checked.mwaa.update_environment, "ValidationException", Name=NAME, **wanted)
    assert "replacement needs one update with FORCED" in refused["Error"]["Message"]
    checked.mwaa.update_environment(Name=NAME, AirflowConfigurationOptions={"core.x": "0"})
    checked.record.succeed()
    arn = checked.mwaa.update_environment(Name=NAME, **wanted)["Arn"]
    during = checked.environment()
    assert arn == during["Arn"]
    assert during["Status"] == "UPDATING"
    assert during["LastUpdate"]["Status"] == "PENDING"
    assert during["LastUpdate"]["WorkerReplacementStrategy"] == "GRACEFUL"
    assert "RequirementsS3ObjectVersion" not in during
    settings = checked.record.take()
    assert settings is not None
    assert settings["RequirementsS3ObjectVersion"] == wanted["RequirementsS3ObjectVersion"]
    assert settings["DagS3Path"] == "dags"
    assert checked.record.take() is None, "an update is done once"
    checked.record.succeed()
    after = checked.environment()
    assert after["Status"] == "AVAILABLE"
    assert after["LastUpdate"]["Status"] == "SUCCESS"
    assert {name: after.get(name) for name in wanted if name in after} == {
        name: value for name, value in wanted.items() if name != "WorkerReplacementStrategy"
    }


def test_a_failed_update_keeps_the_former_settings_and_says_why(checked: Endpoint) -> None:
    first = files(checked)
    checked.mwaa.update_environment(Name=NAME, **first)
    checked.record.succeed()
    checked.mwaa.update_environment(Name=NAME, **files(checked))
    checked.record.roll_back()
    assert checked.environment()["Status"] == "ROLLING_BACK"
    checked.record.fail("startup.sh failed\nwith " + "many words " * 200)
    found = checked.environment()
    assert found["Status"] == "UPDATE_FAILED"
    assert found["RequirementsS3ObjectVersion"] == first["RequirementsS3ObjectVersion"]
    assert found["LastUpdate"]["Error"]["ErrorMessage"].startswith("startup.sh failed with many words")
    checked.mwaa.update_environment(Name=NAME, **files(checked))  # usable: it can be updated again
    assert "Error" not in checked.environment()["LastUpdate"]


@pytest.mark.parametrize("status", ["UPDATING", "ROLLING_BACK", "UNAVAILABLE", "MAINTENANCE"])
def test_a_busy_environment_refuses_an_update(endpoint: Endpoint, status: str) -> None:
    endpoint.record.status = status
    found = refusal(endpoint.mwaa.update_environment, "ValidationException", Name=NAME, **files(endpoint))
    assert f"Environments with {status} status cannot be updated" in found["Error"]["Message"]


def test_of_two_updates_at_once_one_is_refused(endpoint: Endpoint) -> None:
    endpoint.mwaa.update_environment(Name=NAME, **files(endpoint))
    refusal(endpoint.mwaa.update_environment, "ValidationException", Name=NAME, **files(endpoint))


@pytest.mark.parametrize("part", ["Plugins", "Requirements", "StartupScript"])
def test_a_path_needs_a_version_and_a_version_a_path(endpoint: Endpoint, part: str) -> None:
    key, version = f"{part}S3Path", f"{part}S3ObjectVersion"
    found = refusal(endpoint.mwaa.update_environment, "ValidationException", Name=NAME, **{key: "some.file"})
    assert version in found["Error"]["Message"]
    found = refusal(endpoint.mwaa.update_environment, "ValidationException", Name=NAME, **{version: "abc"})
    assert key in found["Error"]["Message"]
    assert endpoint.environment()["Status"] == "AVAILABLE"


def test_a_version_alone_is_of_the_path_that_is_there(endpoint: Endpoint) -> None:
    endpoint.mwaa.update_environment(Name=NAME, **files(endpoint))
    endpoint.record.succeed()
    second = endpoint.put("requirements.txt", b"# another")
    endpoint.mwaa.update_environment(Name=NAME, RequirementsS3ObjectVersion=second)
    endpoint.record.succeed()
    assert endpoint.environment()["RequirementsS3ObjectVersion"] == second


def test_a_version_that_does_not_exist_is_refused(endpoint: Endpoint) -> None:
    version = endpoint.put("requirements.txt", b"")
    endpoint.s3.delete_object(Bucket=BUCKET, Key="requirements.txt", VersionId=version)
    for key, wanted in (("requirements.txt", version), ("requirements.txt", "null"), ("other.txt", version)):
        found = refusal(
            endpoint.mwaa.update_environment,
            "ValidationException",
            Name=NAME,
            RequirementsS3Path=key,
            RequirementsS3ObjectVersion=wanted,
        )
        assert f"Unable to read version: {wanted} of file: {key}" in found["Error"]["Message"]


def test_what_one_machine_can_not_change_is_refused(endpoint: Endpoint) -> None:
    for change in ({"AirflowVersion": "3.2.1"}, {"SourceBucketArn": "arn:aws:s3:::another"}):
        refusal(endpoint.mwaa.update_environment, "ValidationException", Name=NAME, **change)
    endpoint.mwaa.update_environment(Name=NAME, AirflowVersion="3.3.1", SourceBucketArn=f"arn:aws:s3:::{BUCKET}")


def test_limits_come_from_the_service_model(endpoint: Endpoint) -> None:
    def update(**members: Any) -> str:
        found = refusal(endpoint.mwaa.update_environment, "ValidationException", Name=NAME, **members)
        return str(found["Error"]["Message"])

    assert "2 validation errors" in update(Schedulers=6, EnvironmentClass="x" * 2000)
    assert "regular expression" in update(AirflowConfigurationOptions={"core.x": "tab\t"})
    assert "value set: [FORCED, GRACEFUL]" in update(WorkerReplacementStrategy="SLOW")
    assert endpoint.environment()["Status"] == "AVAILABLE"


def test_another_name_is_not_found(endpoint: Endpoint) -> None:
    for call in (endpoint.mwaa.get_environment, endpoint.mwaa.update_environment, endpoint.mwaa.create_cli_token):
        refusal(call, "ResourceNotFoundException", Name="prod")
    refusal(endpoint.mwaa.invoke_rest_api, "ResourceNotFoundException", Name="prod", Path="/dags", Method="GET")


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"'])
def test_a_body_that_is_no_object_is_refused(endpoint: Endpoint, body: bytes) -> None:
    request = urllib.request.Request(f"{endpoint.url}/environments/{NAME}", body, method="PATCH")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == 400
    assert caught.value.headers["x-amzn-ErrorType"] == "ValidationException"


def test_what_is_no_operation_is_said(endpoint: Endpoint) -> None:
    with pytest.raises(endpoint.mwaa.exceptions.ClientError, match="UnknownOperationException"):
        endpoint.mwaa.delete_environment(Name=NAME)


def test_the_record_knows_every_setting_of_an_update() -> None:
    """What UpdateEnvironment takes and GetEnvironment tells is either a setting or not known to a local environment."""
    model = service_model.service()
    taken = set(model.operation_model("UpdateEnvironment").input_shape.members)
    told = set(model.shape_for("Environment").members)
    settings = set(record.local("x", "1", "r", "b", "3.3.1", "http://x").settings)
    assert settings <= taken & told
    parts = ("Plugins", "Requirements", "StartupScript")
    pinned = {f"{part}S3{what}" for part in parts for what in ("Path", "ObjectVersion")}
    assert (taken & told) - settings == pinned | {"Name", "NetworkConfiguration"}
