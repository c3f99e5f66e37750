"""Statements that no call of moto can prove: judged by its policy evaluator, or by their text."""

import json
from typing import Any

import pytest
from moto.iam.access_control import IAMPolicy, PermissionResult

from tests.infra import stacks
from tests.infra.enforced_aws import NOT_JUDGED, judged

STAGE, PROD = ("arn:aws:airflow:eu-central-1:123456789012:environment/flights-" + one for one in ("stage", "prod"))
OP = "arn:aws:airflow:eu-central-1:123456789012:role/flights-stage/Op"
ADMIN = "arn:aws:airflow:eu-central-1:123456789012:role/flights-stage/Admin"
LOGS = "arn:aws:logs:eu-central-1:123456789012:log-group:airflow-flights-stage-Task:log-stream:x"
OTHER_LOGS = "arn:aws:logs:eu-central-1:123456789012:log-group:airflow-flights-prod-Task:log-stream:x"
MAIL = "arn:aws:ses:eu-central-1:123456789012:identity/"
QUEUE = "arn:aws:sqs:eu-central-1:999999999999:airflow-celery-1234"
ROLES = {
    "execution": stacks.resolved("environment")["ExecutionRole"],
    "plan": stacks.resolved("ci-role")["PlanRole"],
    "deploy": stacks.resolved("ci-role")["DeployRole"],
}


def permitted(role: str, action: str, resource: str) -> bool:
    """Return whether a role's policies permit an action, by moto's evaluation of them."""
    found = [
        IAMPolicy(json.dumps(judged(policy["PolicyDocument"]))).is_action_permitted(action, resource)
        for policy in ROLES[role]["Policies"]
    ]
    return PermissionResult.PERMITTED in found and PermissionResult.DENIED not in found


@pytest.mark.parametrize(
    ("role", "action", "resource"),
    [
        ("plan", "airflow:GetEnvironment", STAGE),
        ("deploy", "airflow:GetEnvironment", STAGE),
        ("deploy", "airflow:UpdateEnvironment", STAGE),
        ("deploy", "airflow:InvokeRestApi", OP),
        ("execution", "airflow:PublishMetrics", STAGE),
        ("execution", "logs:PutLogEvents", LOGS),
        ("execution", "logs:CreateLogStream", LOGS),
        ("execution", "logs:DescribeLogGroups", "*"),
        ("execution", "cloudwatch:PutMetricData", "*"),
        ("execution", "s3:GetAccountPublicAccessBlock", "*"),
        ("execution", "ses:SendRawEmail", f"{MAIL}example.com"),
        ("execution", "sqs:ReceiveMessage", QUEUE),
        ("execution", "sqs:DeleteMessage", QUEUE),
    ],
)
def test_what_is_needed_is_permitted(role: str, action: str, resource: str) -> None:
    assert permitted(role, action, resource)


@pytest.mark.parametrize(
    ("role", "action", "resource"),
    [
        *(("plan", f"airflow:{one}", STAGE) for one in ("UpdateEnvironment", "DeleteEnvironment", "CreateEnvironment")),
        *(("plan", f"airflow:{one}", OP) for one in ("InvokeRestApi", "CreateCliToken", "CreateWebLoginToken")),
        ("plan", "airflow:GetEnvironment", PROD),
        *(("deploy", f"airflow:{one}", PROD) for one in ("GetEnvironment", "UpdateEnvironment")),
        *(("deploy", f"airflow:{one}", STAGE) for one in ("DeleteEnvironment", "CreateEnvironment", "TagResource")),
        *(("deploy", f"airflow:{one}", OP) for one in ("CreateCliToken", "CreateWebLoginToken")),
        ("deploy", "airflow:InvokeRestApi", ADMIN),
        ("deploy", "cloudformation:UpdateStack", "*"),
        *(("execution", f"airflow:{one}", STAGE) for one in ("GetEnvironment", "UpdateEnvironment")),
        ("execution", "airflow:InvokeRestApi", OP),
        ("execution", "logs:PutLogEvents", OTHER_LOGS),
        ("execution", "logs:DeleteLogGroup", LOGS),
        ("execution", "sqs:ReceiveMessage", "arn:aws:sqs:eu-central-1:123456789012:orders"),
        ("execution", "sqs:DeleteQueue", QUEUE),
        ("execution", "ses:SendRawEmail", f"{MAIL}example.org"),
        *(("execution", f"ses:{one}", f"{MAIL}example.com") for one in ("SendEmail", "VerifyEmailIdentity")),
        *((role, "iam:PassRole", "arn:aws:iam::123456789012:role/flights-stage-execution") for role in ROLES),
        *((role, "sts:AssumeRole", "arn:aws:iam::123456789012:role/flights-prod-deploy") for role in ROLES),
    ],
)
def test_what_is_not_needed_is_not_permitted(role: str, action: str, resource: str) -> None:
    assert not permitted(role, action, resource)


def statement(role: str, sid: str) -> dict[str, Any]:
    (found,) = [
        one for policy in ROLES[role]["Policies"] for one in policy["PolicyDocument"]["Statement"] if one["Sid"] == sid
    ]
    return dict(found)


def test_the_statements_that_moto_cant_judge_are_these_two() -> None:
    assert {"KeepExecutionRole", "QueueKey"} == NOT_JUDGED
    assert statement("deploy", "KeepExecutionRole") == {
        "Sid": "KeepExecutionRole",
        "Effect": "Allow",
        "Action": "iam:PassRole",
        "Resource": "arn:aws:iam::123456789012:role/flights-stage-execution",
        "Condition": {"StringEquals": {"iam:PassedToService": "airflow.amazonaws.com"}},
    }
    # MWAA's guide: the queue's key is AWS's own, so any key but the account's, and only by way of SQS.
    key = statement("execution", "QueueKey")
    assert key["NotResource"] == "arn:aws:kms:*:123456789012:key/*"
    assert key["Condition"] == {"StringLike": {"kms:ViaService": "sqs.eu-central-1.amazonaws.com"}}
    assert key["Action"] == ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey*", "kms:Encrypt"]


@pytest.mark.parametrize(
    ("role", "subject"),
    [("plan", "repo:octocat@1/flights@2:pull_request"), ("deploy", "repo:octocat@1/flights@2:environment:stage")],
)
def test_only_this_repositorys_workflows_get_a_role(role: str, subject: str) -> None:
    (trust,) = ROLES[role]["AssumeRolePolicyDocument"]["Statement"]
    issuer = "token.actions.githubusercontent.com"
    assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert trust["Condition"] == {"StringEquals": {f"{issuer}:aud": "sts.amazonaws.com", f"{issuer}:sub": subject}}


def test_only_mwaa_gets_the_execution_role_and_only_for_this_environment() -> None:
    (trust,) = ROLES["execution"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": ["airflow.amazonaws.com", "airflow-env.amazonaws.com"]}
    assert trust["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "123456789012"},
        "ArnLike": {"aws:SourceArn": STAGE},
    }


def test_who_has_no_mail_gets_no_permission_for_it() -> None:
    bare = stacks.resolved("environment", MailConnection="", MailIdentity="")["ExecutionRole"]
    assert {policy["PolicyName"] for policy in bare["Policies"]} == {"execution", "raw-files"}
    assert "ses:" not in json.dumps(bare)
    assert statement("execution", "MailConnection")["Resource"].endswith(":secret:airflow/connections/mail-??????")


def test_no_statement_is_for_everything() -> None:
    for role, properties in ROLES.items():
        for policy in properties["Policies"]:
            for one in policy["PolicyDocument"]["Statement"]:
                actions = one["Action"] if isinstance(one["Action"], list) else [one["Action"]]
                assert not [action for action in actions if action.endswith(":*") or action == "*"], (role, one["Sid"])
                if one.get("Resource") == "*":
                    assert one["Sid"] == "WithoutResource", (role, one["Sid"])


def test_the_provider_is_made_once_per_account() -> None:
    assert "Provider" in stacks.resolved("ci-role")
    arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
    made = stacks.resolved("ci-role", OidcProviderArn=arn)
    assert "Provider" not in made
    (trust,) = made["PlanRole"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Federated": arn}
