"""moto with IAM enforcement, as a process of its own: `python -m tests.infra.enforced_aws` prints its URL and serves.

What moto can't judge is named here, and nowhere glossed over: `judged` says which statements are left out.
"""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from mwaactl.local.layout import REPOSITORY
from tests.infra.stacks import ACCOUNT, REGION

#: moto evaluates no condition and no NotResource of a role's policy: AWS's key of the queue, and iam:PassRole.
NOT_JUDGED = {"QueueKey", "KeepExecutionRole"}
_ANYBODY = {"AccessKeyId": "anybody", "SecretAccessKey": "anybody", "SessionToken": None}


def judged(document: dict[str, Any]) -> dict[str, Any]:
    """Return a policy as moto reads it.

    Without NOT_JUDGED; with its single-character wildcard, which is a dot; with its own name of what HeadBucket needs,
    which is s3:ListBucket (S3 API reference).
    """
    statements = [dict(one) for one in document["Statement"] if one["Sid"] not in NOT_JUDGED]
    assert not [one["Sid"] for one in statements if "Condition" in one or "NotResource" in one]
    for one in statements:
        actions = one["Action"] if isinstance(one["Action"], list) else [one["Action"]]
        one["Action"] = [*actions, *(["s3:HeadBucket"] if {"s3:ListBucket", "s3:List*"} & set(actions) else [])]
    content: dict[str, Any] = json.loads(json.dumps({**document, "Statement": statements}).replace("?", "."))
    return content


@dataclass
class EnforcedAws:
    """A running moto at `url`. Everything is allowed until `enforce`."""

    url: str

    def environment(self, credentials: dict[str, Any]) -> dict[str, str]:
        """Return the variables with which any AWS client calls this AWS with `credentials`."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
            "AWS_SESSION_TOKEN": credentials["SessionToken"],
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
        }

    def client(self, service: str, credentials: dict[str, Any] | None = None) -> Any:
        """Return a client with `credentials`; without, it is nobody's and for setting up."""
        who = credentials or _ANYBODY
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=who["AccessKeyId"],
            aws_secret_access_key=who["SecretAccessKey"],
            aws_session_token=who["SessionToken"],
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )

    def role(self, properties: dict[str, Any]) -> dict[str, Any]:
        """Make a role of a template's resolved properties and return credentials of a session of it."""
        iam, name = self.client("iam"), properties["RoleName"]
        trust = json.dumps(properties["AssumeRolePolicyDocument"])
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
        for policy in properties["Policies"]:
            document = json.dumps(judged(policy["PolicyDocument"]))
            iam.put_role_policy(RoleName=name, PolicyName=policy["PolicyName"], PolicyDocument=document)
        arn = f"arn:aws:iam::{ACCOUNT}:role/{name}"
        credentials: dict[str, Any] = self.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        return credentials

    def enforce(self) -> None:
        """From now on only what a role's policies allow is done."""
        self._allow("0")

    def relax(self) -> None:
        """From now on everything is allowed again."""
        self._allow("inf")

    def _allow(self, calls: str) -> None:
        plain = {"Content-Type": "text/plain"}  # moto reads a form as one
        request = urllib.request.Request(f"{self.url}/moto-api/reset-auth", calls.encode(), plain, method="POST")
        urllib.request.urlopen(request).read()


@contextmanager
def running() -> Iterator[EnforcedAws]:
    """Start one, and end it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.infra.enforced_aws"],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    try:
        yield EnforcedAws(process.stdout.readline().strip())
    finally:
        process.stdin.close()
        process.wait(120)


def _serve() -> None:
    from moto.secretsmanager.responses import SecretsManagerResponse
    from moto.server import ThreadedMotoServer

    def determine_resource(self: Any) -> str:
        """Say which secret a call is about: moto asks its services this, and its Secrets Manager has no answer."""
        wanted = self._get_param("SecretId")
        for secret in self.backend.secrets.values():
            if wanted in (secret.name, secret.arn):
                return str(secret.arn)
        return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{wanted}-??????"

    SecretsManagerResponse._determine_resource = determine_resource
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    print(f"http://{host}:{port}", flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    _serve()
