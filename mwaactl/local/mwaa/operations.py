"""The operations of MWAA's API that a local environment has."""

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from mwaactl.local.api import Api
from mwaactl.local.mwaa import rest_api
from mwaactl.local.mwaa.errors import invalid, missing
from mwaactl.local.mwaa.record import EnvironmentRecord
from mwaactl.local.mwaa.tokens import Tokens

#: The files that an update takes from the bucket in one object version: how the members of UpdateEnvironment begin.
PINNED = ("Plugins", "Requirements", "StartupScript")
#: What an update can't change on one machine.
_FIXED = ("AirflowVersion", "SourceBucketArn")


class Operations:
    """Answers for the one environment `record`; input and output are the members of the service model's shapes."""

    def __init__(self, record: EnvironmentRecord, s3: Any, airflow_url: str, host: str, tokens: Tokens) -> None:
        """`host`: name and port under which the CLI and login endpoints are reached; `s3`: a client for the bucket."""
        self._record = record
        self._s3 = s3
        self._api = Api(airflow_url, timeout=rest_api.TIMEOUT)
        self._host = host
        self._tokens = tokens

    def call(self, name: str, members: dict[str, Any]) -> dict[str, Any]:
        """Do the operation `name` and return the members of its output. Raises Refused."""
        if "Name" in members and members["Name"] != self._record.name:
            raise missing(members["Name"])
        answers: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "ListEnvironments": self._list,
            "GetEnvironment": self._get,
            "UpdateEnvironment": self._update,
            "InvokeRestApi": self._invoke,
            "CreateWebLoginToken": self._web_token,
            "CreateCliToken": self._cli_token,
        }
        return answers[name](members)

    def _list(self, members: dict[str, Any]) -> dict[str, Any]:
        return {"Environments": [self._record.name]}

    def _get(self, members: dict[str, Any]) -> dict[str, Any]:
        return {"Environment": self._record.describe()}

    def _update(self, members: dict[str, Any]) -> dict[str, Any]:
        now = self._record.describe()
        for name in _FIXED:
            if name in members and members[name] != now[name]:
                raise invalid(f"{name} of a local environment is {now[name]} and can't be changed.")
        for part in PINNED:
            self._check_version(part, members, now)
        self._record.request(members)
        return {"Arn": self._record.arn}

    def _check_version(self, part: str, members: dict[str, Any], now: dict[str, Any]) -> None:
        """Raise Refused unless a path comes with the id of a version that the bucket has, and a version with a path."""
        path, version = members.get(f"{part}S3Path"), members.get(f"{part}S3ObjectVersion")
        if path is None and version is None:
            return
        if path and not version:
            raise invalid(f"{part}S3ObjectVersion is required when {part}S3Path is specified.")
        path = now.get(f"{part}S3Path") if path is None else path
        if not path and version:
            raise invalid(f"{part}S3Path is required when {part}S3ObjectVersion is specified.")
        if not path:
            return
        bucket = now["SourceBucketArn"].rpartition(":")[2]
        try:
            self._s3.head_object(Bucket=bucket, Key=path, VersionId=version)
        except ClientError as error:
            raise invalid(f"Unable to read version: {version} of file: {path}") from error

    def _invoke(self, members: dict[str, Any]) -> dict[str, Any]:
        query = members.get("QueryParameters")
        if query is not None and not isinstance(query, dict):
            raise invalid("QueryParameters must be an object.")
        return rest_api.invoke(
            self._api, members["Method"], members["Path"], query, members.get("Body"), self._record.status
        )

    def _web_token(self, members: dict[str, Any]) -> dict[str, Any]:
        return {
            "WebToken": self._tokens.issue("web"),
            "WebServerHostname": self._host,
            "IamIdentity": "user/local",
            "AirflowIdentity": "admin",
        }

    def _cli_token(self, members: dict[str, Any]) -> dict[str, Any]:
        return {"CliToken": self._tokens.issue("cli"), "WebServerHostname": self._host}

    def session(self) -> str:
        """Return a JWT for Airflow's UI and REST API. Raises OSError when Airflow doesn't answer."""
        return self._api.token()
