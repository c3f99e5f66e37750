"""The templates of infra/: what AWS would be given."""

import json
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml
from botocore.validate import ParamValidator

from mwaactl import environments, templates
from mwaactl.errors import Problem
from mwaactl.local import options
from mwaactl.local.layout import REPOSITORY
from tests.infra import stacks

NAMES = ("dev", "stage", "prod")


def assert_takes(service: str, operation: str, arguments: dict[str, Any]) -> None:
    """Assert that AWS's own description of an operation has these arguments, with values of these types."""
    shape = botocore.session.get_session().get_service_model(service).operation_model(operation).input_shape
    assert shape is not None
    report = ParamValidator().validate(arguments, shape)
    assert not report.has_errors(), report.generate_report()


@pytest.mark.parametrize("name", NAMES)
def test_mwaa_gets_the_options_of_the_local_environment(name: str) -> None:
    environment = environments.read(name, REPOSITORY)
    given = stacks.resolved("environment", name)["Environment"]["AirflowConfigurationOptions"]
    own = {"mwaa_dbt.target": environment.target, "mwaa_dbt.bucket": environment.bucket, **environment.options}
    assert given == {**options.read(REPOSITORY), **own}
    assert all(isinstance(value, str) and value.isascii() and value.isprintable() for value in given.values())


def test_an_environments_own_options_come_last(tmp_path: Path) -> None:
    source = project(tmp_path, {"options": {"mwaa_dbt.slack_channel": "#elsewhere", "mwaa_dbt.raw_bucket": "landing"}})
    text = templates.render("environment", environments.read("dev", source), source)
    content = yaml.load(text, _Loader)
    chosen = content["Resources"]["Environment"]["Properties"]["AirflowConfigurationOptions"]
    assert chosen["mwaa_dbt.slack_channel"] == "#elsewhere"
    assert content["Parameters"]["RawBucketName"]["Default"] == "landing"


@pytest.mark.parametrize(("prefix", "default"), [("", ""), ("team", "team/"), ("/a/b/", "a/b/")])
def test_what_is_known_of_an_environment_is_a_default(tmp_path: Path, prefix: str, default: str) -> None:
    source = project(tmp_path, {"prefix": prefix})
    found = environments.read("dev", source)
    for name, expected in {
        "environment": {"EnvironmentName": "m", "BucketName": "bucket", "Prefix": default, "DbtTarget": "dev"},
        "ci-role": {"Name": "dev", "EnvironmentName": "m", "BucketName": "bucket", "AirflowRole": "Op"},
        "monitoring": {"EnvironmentName": "m"},
    }.items():
        parameters = yaml.load(templates.render(name, found, source), _Loader)["Parameters"]
        assert {key: parameters[key].get("Default") for key in expected} == expected


def test_the_local_environment_has_no_stack() -> None:
    found = environments.Environment("local", "local", "b", "r", "1", "dev")
    with pytest.raises(Problem, match="no stack"):
        templates.render("environment", found, REPOSITORY)


def test_a_template_without_a_place_for_the_options_is_refused(tmp_path: Path) -> None:
    source = project(tmp_path, {})
    path = source / "infra" / "environment.yaml"
    path.write_text(path.read_text().replace("AirflowConfigurationOptions: {}", "AirflowConfigurationOptions: {a: b}"))
    with pytest.raises(Problem, match="no single line"):
        templates.render("environment", environments.read("dev", source), source)


def test_mwaa_takes_the_environment() -> None:
    made = stacks.resolved("environment")["Environment"]
    assert_takes("mwaa", "CreateEnvironment", {key: value for key, value in made.items() if key != "Tags"})
    # What releases own is theirs alone: an update of the stack must not bring back an old version.
    assert not [key for key in made if key.startswith(("Plugins", "Requirements", "StartupScript"))]


def test_micro_has_one_of_each() -> None:
    made = stacks.resolved("environment", EnvironmentClass="mw1.micro", MaxWorkers="9")["Environment"]
    assert {made[key] for key in ("MinWorkers", "MaxWorkers", "Schedulers", "MinWebservers", "MaxWebservers")} == {1}


def test_the_bucket_is_versioned_encrypted_private_and_kept() -> None:
    made = stacks.resolved("environment")
    bucket = made["Bucket"]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    (statement,) = made["BucketPolicy"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == ["arn:aws:s3:::Bucket", "arn:aws:s3:::Bucket/*"]  # the bucket above
    assert stacks.template("environment")["Resources"]["Bucket"]["DeletionPolicy"] == "Retain"


def test_what_was_told_of_old_runs_is_forgotten_and_nothing_else(tmp_path: Path) -> None:
    rules = stacks.resolved("environment", Prefix="team/", AlertDays="45")["Bucket"]["LifecycleConfiguration"]["Rules"]
    expiring = [rule for rule in rules if "ExpirationInDays" in rule]
    assert [(rule["Prefix"], str(rule["ExpirationInDays"])) for rule in expiring] == [
        ("team/mwaactl/alerts/runs/", "45")
    ]
    assert_takes("s3", "PutBucketLifecycleConfiguration", as_s3_takes_it(rules))


def as_s3_takes_it(rules: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a template's lifecycle rules as S3's API has them."""
    made = [
        {
            "ID": rule["Id"],
            "Status": rule["Status"],
            "Filter": {"Prefix": rule.get("Prefix", "")},
            **({"Expiration": {"Days": int(rule["ExpirationInDays"])}} if "ExpirationInDays" in rule else {}),
        }
        for rule in rules
    ]
    return {"Bucket": "b", "LifecycleConfiguration": {"Rules": made}}


def test_mwaas_log_groups_exist_before_it_and_forget() -> None:
    made = stacks.resolved("environment", LogRetentionDays="14")
    groups = {key: value for key, value in made.items() if "LogGroupName" in value}
    kinds = {value["LogGroupName"].removeprefix("airflow-flights-stage-") for value in groups.values()}
    assert kinds == {"Task", "Worker", "Scheduler", "DAGProcessing", "WebServer"}
    assert {str(value["RetentionInDays"]) for value in groups.values()} == {"14"}
    waits_for = stacks.template("environment")["Resources"]["Environment"]["DependsOn"]
    assert set(groups) <= set(waits_for)


def test_no_template_holds_a_secret() -> None:
    made = stacks.resolved("environment")
    secrets = {key: value for key, value in made.items() if str(value.get("Name", "")).startswith("airflow/")}
    assert {value["Name"] for value in secrets.values()} == {
        "airflow/connections/flights_stage",
        "airflow/connections/slack",
    }
    assert all(set(value) == {"Name", "Description"} for value in secrets.values())
    assert "SlackSecret" not in stacks.resolved("environment", CreateSlackSecret="false")


def project(folder: Path, entry: dict[str, Any]) -> Path:
    """Write a project with one environment, dev, and the templates of this one; return its folder."""
    (folder / "infra").mkdir()
    for path in (REPOSITORY / "infra").glob("*.yaml"):
        (folder / "infra" / path.name).write_text(path.read_text())
    own = {"mwaa": "m", "bucket": "bucket", "region": "eu-central-1", "account": "123456789012", "target": "dev"}
    (folder / environments.ENVIRONMENTS_FILE).write_text(json.dumps({"dev": {**own, **entry}}))
    return folder


class _Loader(yaml.SafeLoader):
    """Reads a template's short intrinsics as their bare values."""


_Loader.add_multi_constructor("!", lambda loader, suffix, node: suffix)
