"""The one environment of this machine as MWAA's API knows it: its settings, its status, its last update."""

import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from mwaactl.local.mwaa.errors import invalid

#: Members of UpdateEnvironment that aren't settings of the environment.
_NOT_SETTINGS = {"Name", "WorkerReplacementStrategy"}
_LOGS = ("DagProcessingLogs", "SchedulerLogs", "WebserverLogs", "WorkerLogs", "TaskLogs")
#: From these an update may start; botocore's documentation of the status: UPDATE_FAILED is "ready to use".
UPDATABLE = ("AVAILABLE", "UPDATE_FAILED")


class EnvironmentRecord:
    """Shared by the API's threads, which ask for updates, and the supervisor, which does them. Thread-safe."""

    def __init__(self, identity: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        """`identity`: members of GetEnvironment that never change; `settings`: those that UpdateEnvironment takes."""
        self._lock = threading.Lock()
        self._identity = {**identity, "CreatedAt": datetime.now(UTC)}
        self.settings: dict[str, Any] = dict(settings)
        self.status = "AVAILABLE"
        self._last_update: dict[str, Any] = {}
        self._wanted: dict[str, Any] | None = None
        self._taken = False

    @property
    def name(self) -> str:
        """The environment's name."""
        return str(self._identity["Name"])

    @property
    def arn(self) -> str:
        """The environment's ARN."""
        return str(self._identity["Arn"])

    def describe(self) -> dict[str, Any]:
        """Return the `Environment` of GetEnvironment. While an update is under way the settings are the former ones."""
        with self._lock:
            found = {**self._identity, **self.settings, "Status": self.status}
            if self._last_update:
                found["LastUpdate"] = dict(self._last_update)
            return found

    def request(self, changes: Mapping[str, Any]) -> None:
        """Note an update to be done; `changes` are the members of UpdateEnvironment.

        Raises Refused when the environment can't be updated now, or not gracefully: MWAA wants one forced update first.
        """
        with self._lock:
            if self.status not in UPDATABLE:
                raise invalid(f"Environments with {self.status} status cannot be updated.")
            strategy = changes.get("WorkerReplacementStrategy", "FORCED")
            if strategy == "GRACEFUL" and not self._last_update:
                raise invalid("Graceful worker replacement needs one update with FORCED replacement first.")
            self.status = "UPDATING"
            self._wanted = self.settings | {k: v for k, v in changes.items() if k not in _NOT_SETTINGS}
            self._taken = False
            self._last_update = {
                "Status": "PENDING",
                "CreatedAt": datetime.now(UTC),
                "WorkerReplacementStrategy": strategy,
            }

    def take(self) -> dict[str, Any] | None:
        """Return the settings to be built, once; None when no update was asked for."""
        with self._lock:
            if self._wanted is None or self._taken:
                return None
            self._taken = True
            return dict(self._wanted)

    def succeed(self) -> None:
        """The wanted settings are what runs now."""
        with self._lock:
            self.settings = self._wanted or self.settings
            self._end("AVAILABLE", Status="SUCCESS")

    def roll_back(self) -> None:
        """The update didn't work; the former settings are being built again."""
        with self._lock:
            self.status = "ROLLING_BACK"

    def fail(self, message: str, usable: bool = True) -> None:
        """The update is over without success. `usable`: the former settings are what runs now."""
        error = {"ErrorCode": "INCORRECT_CONFIGURATION", "ErrorMessage": " ".join(message.split())[:1024] or "unknown"}
        with self._lock:
            self._end("UPDATE_FAILED" if usable else "UNAVAILABLE", Status="FAILED", Error=error)

    def _end(self, status: str, **last_update: Any) -> None:
        self.status = status
        self._last_update.update(last_update)
        self._wanted, self._taken = None, False


def local(name: str, account: str, region: str, bucket: str, airflow_version: str, url: str) -> EnvironmentRecord:
    """Return the record of a local environment without a release: no plugins, no requirements, no start-up script."""
    role = f"arn:aws:iam::{account}:role"
    identity = {
        "Name": name,
        "Arn": f"arn:aws:airflow:{region}:{account}:environment/{name}",
        "WebserverUrl": url,
        "ServiceRoleArn": f"{role}/aws-service-role/airflow.amazonaws.com/AWSServiceRoleForAmazonMWAA",
        "EndpointManagement": "SERVICE",
    }
    settings = {
        "AirflowVersion": airflow_version,
        "SourceBucketArn": f"arn:aws:s3:::{bucket}",
        "DagS3Path": "dags",
        "ExecutionRoleArn": f"{role}/mwaa-{name}",
        "AirflowConfigurationOptions": {},
        "EnvironmentClass": "mw1.small",
        "MinWorkers": 1,
        "MaxWorkers": 1,
        "Schedulers": 1,
        "MinWebservers": 1,
        "MaxWebservers": 1,
        "WebserverAccessMode": "PUBLIC_ONLY",
        "WeeklyMaintenanceWindowStart": "SUN:03:30",
        # The logs of this machine are files.
        "LoggingConfiguration": {log: {"Enabled": False, "LogLevel": "INFO"} for log in _LOGS},
    }
    return EnvironmentRecord(identity, settings)
