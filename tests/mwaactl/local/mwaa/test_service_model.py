"""Requests and answers against botocore's model."""

import json
from typing import Any

import pytest

from mwaactl.local.mwaa import service_model
from mwaactl.local.mwaa.service_model import violations


def shape(name: str) -> Any:
    return service_model.service().shape_for(name)


@pytest.mark.parametrize(
    ("method", "path", "name", "members"),
    [
        ("GET", "/environments", "ListEnvironments", {}),
        ("GET", "/environments/local", "GetEnvironment", {"Name": "local"}),
        ("PATCH", "/environments/a%2Fb", "UpdateEnvironment", {"Name": "a/b"}),
        ("POST", "/restapi/local", "InvokeRestApi", {"Name": "local"}),
        ("POST", "/webtoken/local", "CreateWebLoginToken", {"Name": "local"}),
        ("POST", "/clitoken/local", "CreateCliToken", {"Name": "local"}),
    ],
)
def test_each_operation_is_found_by_its_route(method: str, path: str, name: str, members: dict[str, str]) -> None:
    found = service_model.operation(method, path)
    assert found is not None
    assert (found[0].name, found[1]) == (name, members)


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/environments/local"), ("GET", "/environments/a/b")])
def test_what_is_no_operation_of_ours_is_none(method: str, path: str) -> None:
    assert service_model.operation(method, path) is None


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("RestApiPath", "x" * 65, "less than or equal to 64"),
        ("RestApiPath", "", "greater than or equal to 1"),
        ("RestApiPath", 3, "of type string"),
        ("EnvironmentName", "1st", "regular expression pattern"),
        ("RestApiMethod", "HEAD", "enum value set"),
        ("MinWorkers", 0, "value greater than or equal to 1"),
        ("MinWorkers", True, "of type integer"),
        ("AirflowConfigurationOptions", {"Core.x": "1"}, "regular expression pattern"),
        ("SecurityGroupList", ["sg-1"] * 6, "less than or equal to 5"),
        ("SecurityGroupList", ["vpc-1"], "'.1.member'"),
        ("GetEnvironmentInput", {}, "'name' failed to satisfy constraint: Member must not be null"),
        ("GetEnvironmentInput", {"Name": "a", "Nmae": "a"}, "Unknown member 'nmae'"),
        ("LoggingConfigurationInput", {"TaskLogs": {"Enabled": True}}, "'taskLogs.logLevel'"),
    ],
)
def test_what_does_not_fit_a_shape_is_said(name: str, value: Any, rule: str) -> None:
    (said,) = violations(shape(name), value)
    assert rule in said


def test_sensitive_values_are_not_repeated() -> None:
    (said,) = violations(shape("AirflowConfigurationOptions"), {"core.x": "hüsh"})
    assert "hüsh" not in said


def test_documents_may_be_anything() -> None:
    assert not violations(shape("InvokeRestApiRequest"), {"Name": "a", "Path": "/", "Method": "GET", "Body": [1, None]})


def test_a_number_in_the_query_is_a_number() -> None:
    found = service_model.query_members(shape("ListEnvironmentsInput"), {"MaxResults": "3", "other": "x"})
    assert found == {"MaxResults": 3}
    assert json.dumps(service_model.query_members(shape("ListEnvironmentsInput"), {"MaxResults": "many"})) == (
        '{"MaxResults": "many"}'
    )
