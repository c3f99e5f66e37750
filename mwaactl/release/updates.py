"""UpdateEnvironment: when it is needed, what it does to running tasks, and following it to its end."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from mwaactl.environments import Environment
from mwaactl.errors import Problem
from mwaactl.release import calls
from mwaactl.release.contents import PLUGINS, REQUIREMENTS, STARTUP

FORCED, GRACEFUL = "FORCED", "GRACEFUL"
#: Where MWAA offers no graceful replacement (MWAA user guide, "Updating an environment").
WITHOUT_GRACEFUL = {"ca-west-1", "ap-southeast-5"}
#: Seconds to wait for an update: workers may finish their tasks for 12 hours in a graceful one.
LIMITS = {FORCED: 2 * 3600.0, GRACEFUL: 13 * 3600.0}
INTERVAL, LOCAL_INTERVAL = 15.0, 0.3
_FIELDS = {PLUGINS: "Plugins", REQUIREMENTS: "Requirements", STARTUP: "StartupScript"}


class UpdateFailed(Problem):
    """MWAA refused the update or took it back: the environment is what it was."""


@dataclass(frozen=True)
class Update:
    """An update that a release needs: the files and options that differ, and how workers are replaced, and why so."""

    files: tuple[str, ...]
    options: tuple[str, ...]
    strategy: str
    why: str

    @property
    def takes(self) -> str:
        """How long it takes (MWAA user guide, "Updating an environment")."""
        return "10 to 30 minutes" + ("; up to 12 hours while tasks run" if self.strategy == GRACEFUL else "")

    @property
    def tasks(self) -> str:
        """What it does to running tasks."""
        if self.strategy == GRACEFUL:
            return "running tasks go on for up to 12 hours on their old workers; new ones start on new workers"
        return "running tasks are ended, and retried if they have retries left"


def needed(
    environment: Environment,
    mwaa: Mapping[str, Any],
    options: Mapping[str, str],
    files: tuple[str, ...],
    replacement: str | None,
) -> Update | None:
    """Return the update that gives the environment these options and the wanted `files`; None if it has both."""
    has = mwaa.get("AirflowConfigurationOptions") or {}
    other = tuple(sorted(name for name in {*has, *options} if has.get(name) != options.get(name)))
    moved = tuple(
        name
        for name, field in _FIELDS.items()
        if name not in files and mwaa.get(f"{field}S3Path", environment.key(name)) != environment.key(name)
    )
    if not (files or moved or other):
        return None
    strategy, why = _strategy(environment, mwaa, replacement)
    return Update((*files, *moved), other, strategy, why)


def _strategy(environment: Environment, mwaa: Mapping[str, Any], replacement: str | None) -> tuple[str, str]:
    if replacement:
        return replacement, "as asked for"
    if environment.region in WITHOUT_GRACEFUL:
        return FORCED, f"{environment.region} has no graceful replacement"
    if not mwaa.get("LastUpdate"):
        return FORCED, "MWAA demands it of an environment's first update"
    return GRACEFUL, "tasks that run may end"


def start(environment: Environment, options: Mapping[str, str], pins: Mapping[str, str], strategy: str) -> None:
    """Ask MWAA to build the environment from these versions, with these options. Raises UpdateFailed when it won't."""
    paths = {f"{_FIELDS[name]}S3Path": environment.key(name) for name in pins}
    versions = {f"{_FIELDS[name]}S3ObjectVersion": version for name, version in pins.items()}
    try:
        with calls.calling(environment, "mwaa", ""):
            environment.client("mwaa").update_environment(
                Name=environment.mwaa,
                AirflowConfigurationOptions=dict(options),
                WorkerReplacementStrategy=strategy,
                **paths,
                **versions,
            )
    except Problem as problem:
        raise UpdateFailed(problem.what, problem.next_step) from problem
    except ClientError as error:
        if calls.code(error) != "ValidationException":
            raise
        graceful = strategy == GRACEFUL and "eplacement" in str(error)
        raise UpdateFailed(
            f"MWAA refused to update {environment.mwaa}: {error.response['Error'].get('Message')}",
            "Repeat with --replacement forced (running tasks are ended)." if graceful else "Correct what it names.",
        ) from error


def follow(
    environment: Environment,
    strategy: str,
    before: Mapping[str, Any],
    told: Callable[[str], None],
    tick: Callable[[], None],
) -> None:
    """Wait until the update is over; `told` hears the environment's state, `tick` is called in between.

    `before` is MWAA's description from before the update: the update that it tells of isn't this one.

    Raises Problem when MWAA took the update back, with its reason, or when it doesn't end.
    """
    began = time.monotonic()
    client = environment.client("mwaa")
    former = (before.get("LastUpdate") or {}).get("CreatedAt")
    seen_updating = False
    while True:
        with calls.calling(environment, "mwaa", ""):
            found = client.get_environment(Name=environment.mwaa)["Environment"]
        status, last = found["Status"], found.get("LastUpdate") or {}
        told(f"{status}, {time.monotonic() - began:.0f} s")
        seen_updating = seen_updating or status not in ("AVAILABLE", "UPDATE_FAILED")
        over = seen_updating or (last.get("CreatedAt") != former and last.get("Status") in ("SUCCESS", "FAILED"))
        if over and (status == "UPDATE_FAILED" or (status == "AVAILABLE" and last.get("Status") == "FAILED")):
            error = last.get("Error") or {}
            raise UpdateFailed(
                f"MWAA could not update {environment.mwaa} and went back to what it was: "
                f"{error.get('ErrorCode', '')} {error.get('ErrorMessage', 'it gives no reason')}".strip(),
                "Read the environment's log streams startup_script_execution and requirements_install, then correct "
                "startup.sh or requirements.txt.",
            )
        if over and status == "AVAILABLE":
            return
        if time.monotonic() - began > LIMITS[strategy]:
            raise Problem(
                f"{environment.mwaa} is still {status} after {LIMITS[strategy] / 3600:.0f} h.",
                "Look at it in the console; when it is AVAILABLE, repeat the command.",
            )
        tick()
        time.sleep(LOCAL_INTERVAL if environment.is_local else INTERVAL)
