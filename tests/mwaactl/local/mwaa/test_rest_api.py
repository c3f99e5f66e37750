"""InvokeRestApi: what reaches Airflow, and what comes back."""

import json
from typing import Any

import pytest

from mwaactl.local.layout import NAME
from mwaactl.local.mwaa import rest_api, service_model
from tests.mwaactl.local.mwaa.conftest import Endpoint


def invoke(endpoint: Endpoint, path: str, method: str = "GET", **members: Any) -> dict[str, Any]:
    answer: dict[str, Any] = endpoint.mwaa.invoke_rest_api(Name=NAME, Path=path, Method=method, **members)
    answer.pop("ResponseMetadata")
    assert not service_model.violations(service_model.service().shape_for("InvokeRestApiResponse"), answer)
    return answer


def test_a_request_is_passed_on_with_query_and_body(endpoint: Endpoint, airflow: list[dict[str, Any]]) -> None:
    query = {"limit": 5, "paused": False, "tags": ["a b", "c"], "nothing": None}
    answer = invoke(endpoint, "/dags", "PATCH", QueryParameters=query, Body={"is_paused": True})
    assert answer == {"RestApiStatusCode": 200, "RestApiResponse": {"dags": []}}
    assert airflow[0]["path"] == "/auth/token"
    assert airflow[1]["method"] == "PATCH"
    assert airflow[1]["path"] == "/api/v2/dags?limit=5&paused=false&tags=a+b&tags=c"
    assert json.loads(airflow[1]["body"]) == {"is_paused": True}


def test_an_answer_without_content_is_an_empty_object(endpoint: Endpoint, airflow: list[dict[str, Any]]) -> None:
    assert invoke(endpoint, "/empty", "DELETE") == {"RestApiStatusCode": 204, "RestApiResponse": {}}


def test_airflows_refusals_have_their_own_exceptions(endpoint: Endpoint, airflow: list[dict[str, Any]]) -> None:
    with pytest.raises(endpoint.mwaa.exceptions.RestApiClientException) as client:
        invoke(endpoint, "/teapot")
    assert client.value.response["RestApiStatusCode"] == 418
    assert client.value.response["RestApiResponse"] == {"detail": "short and stout"}
    with pytest.raises(endpoint.mwaa.exceptions.RestApiServerException) as server:
        invoke(endpoint, "/broken")
    assert server.value.response["RestApiStatusCode"] == 500
    assert server.value.response["RestApiResponse"] == {"detail": "no json"}


def test_a_path_has_64_characters_at_most(endpoint: Endpoint, airflow: list[dict[str, Any]]) -> None:
    invoke(endpoint, "/" + "x" * 63)
    with pytest.raises(endpoint.mwaa.exceptions.ValidationException, match="less than or equal to 64"):
        invoke(endpoint, "/" + "x" * 64)


@pytest.mark.parametrize("path", ["dags", "/dags?limit=1", "/../../auth/token", "/a/../b", "/a b", "/dags#x"])
def test_a_path_is_a_path(endpoint: Endpoint, airflow: list[dict[str, Any]], path: str) -> None:
    with pytest.raises(endpoint.mwaa.exceptions.ValidationException, match="QueryParameters"):
        invoke(endpoint, path)
    assert airflow == []


def test_sizes_have_limits(endpoint: Endpoint, airflow: list[dict[str, Any]]) -> None:
    with pytest.raises(endpoint.mwaa.exceptions.RestApiServerException) as caught:
        invoke(endpoint, "/huge")
    assert "larger than" in caught.value.response["RestApiResponse"]["detail"]
    with pytest.raises(endpoint.mwaa.exceptions.ValidationException, match="larger than"):
        invoke(endpoint, "/dags", "POST", Body={"x": "x" * rest_api.MAX_SIZE})


def test_without_airflow_the_status_is_told(endpoint: Endpoint) -> None:
    endpoint.record.status = "UPDATING"
    with pytest.raises(endpoint.mwaa.exceptions.RestApiServerException) as caught:
        invoke(endpoint, "/dags")
    assert caught.value.response["RestApiStatusCode"] == 503
    assert "UPDATING" in caught.value.response["RestApiResponse"]["detail"]


def test_a_slow_airflow_is_given_up(
    endpoint: Endpoint, airflow: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*arguments: Any, **more: Any) -> Any:
        raise TimeoutError

    monkeypatch.setattr("mwaactl.local.api.Api.send", slow)
    with pytest.raises(endpoint.mwaa.exceptions.RestApiServerException) as caught:
        invoke(endpoint, "/dags")
    assert caught.value.response["RestApiStatusCode"] == 504
