"""Where a release goes: the account, bucket and MWAA environment, looked at before anything is written."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from mwaactl.environments import ENVIRONMENTS_FILE, Environment
from mwaactl.errors import Problem
from mwaactl.release import calls, pointer
from mwaactl.release.contents import DAGS, ENVIRONMENT_FILES, PLUGINS, REQUIREMENTS, STARTUP
from mwaactl.release.rest import Rest, RestError

#: Nothing is ever written under this name: conditional requests for it show whether they would be allowed.
PROBE = ".mwaactl-permission"
#: Where GetEnvironment says which object version of an environment file the environment is built from.
PIN_FIELDS = {
    PLUGINS: "PluginsS3ObjectVersion",
    REQUIREMENTS: "RequirementsS3ObjectVersion",
    STARTUP: "StartupScriptS3ObjectVersion",
}
_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


@dataclass(frozen=True)
class Target:
    """What was found: who is asking, and MWAA's own description of the environment (GetEnvironment)."""

    who: str
    mwaa: dict[str, Any]


def together(problems: list[Problem]) -> None:
    """Raise what was found: nothing, one Problem, or one that lists them all."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        lines = "\n".join(f"- {one.message}" for one in problems)
        raise Problem(f"{len(problems)} things stand against this release:\n{lines}")


def look(environment: Environment, to_write: bool = False, to_verify: bool = False) -> Target:
    """Return what the environment is. Raises Problem with everything that keeps a release from going there.

    Reads only: account, region, bucket (there, versioned, not public), environment (there, of this bucket) and, with
    `to_write`, whether objects might be written and removed, with `to_verify`, whether Airflow may be asked. (A plan is
    for those, too, who may only read.)
    """
    # With credentials of another account the other answers would only confuse.
    who = _account(environment)
    with ThreadPoolExecutor(4) as pool:
        described = pool.submit(describe, environment)
        looks: list[Callable[[Environment], None]] = [_bucket]
        looks += [_may_write] if to_write else []
        # The local one has no permissions, and no Airflow yet before its first release.
        looks += [_may_ask_airflow] if to_verify and not environment.is_local else []
        futures: list[Future[Any]] = [described, *(pool.submit(one, environment) for one in looks)]
    problems = [error for one in futures if isinstance(error := one.exception(), Problem)]
    for one in futures:
        error = one.exception()
        if error and not isinstance(error, Problem):
            raise error
    together(problems)
    return Target(who, described.result())


def _account(environment: Environment) -> str:
    with calls.calling(environment, "sts", "", "GetCallerIdentity"):
        me = environment.client("sts").get_caller_identity()
    if me["Account"] != environment.account:
        raise Problem(
            f"{environment.name} belongs to the account {environment.account}, but these credentials are of "
            f"{me['Account']} ({me['Arn']}).",
            f"Use other credentials (AWS_PROFILE), or correct `account` in {ENVIRONMENTS_FILE}.",
        )
    return str(me["Arn"])


def describe(environment: Environment) -> dict[str, Any]:
    """Return MWAA's description of the environment. Raises Problem when it isn't there or isn't this bucket's."""
    try:
        with calls.calling(environment, "mwaa", ""):
            found: dict[str, Any] = environment.client("mwaa").get_environment(Name=environment.mwaa)["Environment"]
    except ClientError as error:
        if calls.code(error) != "ResourceNotFoundException":
            raise
        raise Problem(
            f"There is no MWAA environment {environment.mwaa} in {environment.region}.",
            f"Create it (infra/), or correct `mwaa` or `region` in {ENVIRONMENTS_FILE}.",
        ) from error
    # What stands before the name differs between AWS' partitions: aws-us-gov, aws-cn.
    bucket = str(found.get("SourceBucketArn", environment.bucket)).rpartition(":")[2]
    if bucket != environment.bucket:
        raise Problem(
            f"{environment.mwaa} reads the bucket {bucket}, not {environment.bucket}.",
            f"Correct `bucket` in {ENVIRONMENTS_FILE}.",
        )
    dags = environment.key(DAGS).rstrip("/")
    if found.get("DagS3Path", dags).strip("/") != dags:
        raise Problem(
            f"{environment.mwaa} reads its DAGs from {found['DagS3Path']}, but a release writes them to {dags}.",
            f"Correct `prefix` in {ENVIRONMENTS_FILE}, or the environment.",
        )
    return found


def refuse_busy(environment: Environment, described: dict[str, Any]) -> None:
    """Raise Problem when MWAA is doing something to the environment."""
    status = described["Status"]
    if status in ("AVAILABLE", "UPDATE_FAILED"):  # after a failed update it runs as before
        return
    steps = {
        "MAINTENANCE": "Wait until AWS' maintenance is over: an update now would end running tasks.",
        "UPDATING": "Wait: a graceful update lets tasks run for up to 12 hours.",
    }
    raise Problem(
        f"{environment.mwaa} is {status}, so it takes no release now.",
        steps.get(status, f"Wait until it is AVAILABLE (`mwaactl release status -e {environment.name}`)."),
    )


def _bucket(environment: Environment) -> None:
    s3, name = environment.client("s3"), environment.bucket
    try:
        with calls.calling(environment, "s3", ""):
            region = s3.head_bucket(Bucket=name).get("BucketRegion", environment.region)
    except ClientError as error:
        if calls.code(error) not in (*calls.MISSING, "NoSuchBucket", "301"):
            raise
        raise Problem(
            f"There is no bucket {name} in {environment.region}.",
            f"Create it (infra/), or correct `bucket` or `region` in {ENVIRONMENTS_FILE}.",
        ) from error
    if region != environment.region:
        raise Problem(
            f"The bucket {name} is in {region}, {environment.name} in {environment.region}.",
            f"MWAA needs both in one region: correct {ENVIRONMENTS_FILE}.",
        )
    with calls.calling(environment, "s3", ""):
        status = s3.get_bucket_versioning(Bucket=name).get("Status")
    if status != "Enabled":
        raise Problem(
            f"The bucket {name} isn't versioned; MWAA needs that, and so does taking a release back.",
            f"Run `aws s3api put-bucket-versioning --bucket {name} --versioning-configuration Status=Enabled`.",
        )
    try:
        with calls.calling(environment, "s3", ""):
            blocks = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    except ClientError as error:
        if calls.code(error) != "NoSuchPublicAccessBlockConfiguration":
            raise
        blocks = {}
    if missing := [one for one in _BLOCKS if not blocks.get(one)]:
        raise Problem(
            f"The bucket {name} may be public: {', '.join(missing)} isn't set; MWAA needs public access blocked.",
            f"Run `aws s3api put-public-access-block --bucket {name}` with all four settings, as infra/ does.",
        )


def _may_write(environment: Environment) -> None:
    """Ask for writes that can't happen: S3 looks at permissions before conditions, so only a refusal says something."""
    s3 = environment.client("s3")
    for path in (f"{DAGS}{PROBE}", f"mwaactl/{PROBE}", f"mwaactl/releases/{PROBE}", pointer.PATH, *ENVIRONMENT_FILES):
        _try(environment, path, s3.put_object, Body=b"")
    _try(environment, f"{DAGS}{PROBE}", s3.delete_object)


def _may_ask_airflow(environment: Environment) -> None:
    """Ask Airflow what the proof will ask, so that nothing is released which then can't be proven."""
    try:
        Rest(environment).call("GET", "/dags", {"limit": 1})
    except RestError as error:
        # A web server that doesn't answer says nothing about permissions; the release may well be what repairs it.
        if not error.temporary:
            raise Problem(
                f"Airflow doesn't let the role {environment.role} of {environment.mwaa} ask for its DAGs: {error.what}",
                f"Correct `role` in {ENVIRONMENTS_FILE}, or repeat with --no-verify.",
            ) from error


def _try(environment: Environment, path: str, call: Callable[..., Any], **arguments: Any) -> None:
    key = environment.key(path)
    try:
        with calls.calling(environment, "s3", key):
            call(Bucket=environment.bucket, Key=key, IfMatch='"never"', **arguments)
    except ClientError as error:
        # A bucket that isn't there is said by the look at the bucket.
        if calls.code(error) not in calls.MISSING | calls.CONFLICT | {"NoSuchBucket"}:
            raise
