"""Calls to AWS whose refusals a person can act on."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, TokenRetrievalError

from mwaactl.environments import Environment
from mwaactl.errors import Problem

DENIED = {"AccessDenied", "AccessDeniedException", "AllAccessDisabled", "403", "UnauthorizedOperation"}
EXPIRED = {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "InvalidAccessKeyId", "RequestExpired"}
MISSING = {"404", "NoSuchKey", "NoSuchVersion", "NotFound"}
CONFLICT = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}
# IAM's name of the action, where it isn't the operation's (Service Authorization Reference, Amazon S3).
_ACTIONS = {
    "ListObjectsV2": "ListBucket",
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
}


class Unreachable(Problem):
    """No answer came. What was asked for may have been done nevertheless."""


def code(error: ClientError) -> str:
    """Return the error code that AWS gave."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def calling(environment: Environment, service: str, resource: str, action: str = "") -> Iterator[None]:
    """Turn AWS's refusals of what is done inside into Problems that name the action and the resource.

    `resource` is a bucket's key, "" for the bucket itself, or the environment's name. Errors that callers handle (a
    missing key, a failed precondition) pass through as they are.
    """
    try:
        yield
    except NoCredentialsError as error:
        raise Problem("There are no AWS credentials.", "Log in (`aws sso login`) or set AWS_PROFILE.") from error
    except ClientError as error:
        found = code(error)
        if found in EXPIRED:
            raise Problem(f"The AWS credentials are not valid: {_words(error)}.", "Log in again.") from error
        if found not in DENIED:
            raise
        name = action or _ACTIONS.get(error.operation_name, error.operation_name)
        arn = arn_of(environment, service, resource)
        raise Problem(
            f"No permission: {iam_prefix(service)}:{name} on {arn} ({_words(error)}).",
            "Have it allowed for the role that releases (infra/), or use another AWS_PROFILE.",
        ) from error
    except TokenRetrievalError as error:
        raise Problem(f"The AWS credentials can't be renewed: {error}", "Log in again.") from error
    except BotoCoreError as error:
        what = f"{service} in {environment.region} can't be reached: {error}"
        raise Unreachable(what, "Look at the network.") from error


def iam_prefix(service: str) -> str:
    """Return the service's name in IAM."""
    return "airflow" if service == "mwaa" else service


def arn_of(environment: Environment, service: str, resource: str) -> str:
    """Return the ARN of a key of the environment's bucket, of the bucket (""), or of the MWAA environment."""
    if service == "s3":
        return f"arn:aws:s3:::{environment.bucket}" + (f"/{resource}" if resource else "")
    if service == "mwaa":
        return resource or f"arn:aws:airflow:{environment.region}:{environment.account}:environment/{environment.mwaa}"
    return "*"


def _words(error: ClientError) -> str:
    details = error.response.get("Error", {})
    return str(details.get("Message") or details.get("Code") or error).rstrip(".")
