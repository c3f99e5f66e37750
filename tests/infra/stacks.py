"""The templates of infra/ as CloudFormation would see them: rendered for an environment, intrinsics resolved."""

import json
from typing import Any

from cfnlint.decode.cfn_yaml import loads
from moto.cloudformation.parsing import ResourceMap, clean_json

from mwaactl import environments, templates
from mwaactl.local.layout import REPOSITORY

ENVIRONMENT = "stage"
ACCOUNT = "123456789012"
REGION = "eu-central-1"
#: What a person gives when the stack is made.
GIVEN: dict[str, dict[str, Any]] = {
    "environment": {
        "SubnetIds": "subnet-1,subnet-2",
        "SecurityGroupIds": "sg-1",
        "RawBucketName": "raw-files",
        "MailConnection": "mail",
        "MailIdentity": "example.com",
    },
    "ci-role": {
        "ExecutionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/flights-stage-execution",
        "Repository": "octocat@1/flights@2",
    },
    "monitoring": {},
}
REPOSITORY_FILES = REPOSITORY / "infra"


class Made:
    """A resource that others refer to, by names that show what was referred to."""

    def __init__(self, name: str, properties: dict[str, Any]) -> None:
        own = [value for key, value in properties.items() if key in ("Name", "BucketName", "RoleName", "TopicName")]
        self.physical_resource_id = own[0] if own and isinstance(own[0], str) else name
        self._name = name

    def get_cfn_attribute(self, attribute: str) -> str:
        """Return the attribute's place in the template, e.g. `Bucket.Arn`."""
        return f"{self._name}.{attribute}"


def template(name: str, environment: str = ENVIRONMENT) -> dict[str, Any]:
    """Return infra/`name`.yaml rendered for `environment`, with short intrinsics written out."""
    found = environments.read(environment, REPOSITORY)
    content: dict[str, Any] = json.loads(json.dumps(loads(templates.render(name, found, REPOSITORY))))
    return content


def resolved(name: str, environment: str = ENVIRONMENT, **parameters: str) -> dict[str, dict[str, Any]]:
    """Return the properties of each resource of the template that is made, by logical id, as AWS would get them.

    `parameters` come on top of GIVEN. References between resources become the logical ids of what they refer to.
    """
    content = template(name, environment)
    resources = content["Resources"]
    chosen = {**GIVEN[name], **parameters}
    names = ResourceMap("stack", name, chosen, {}, REGION, ACCOUNT, content, {})
    names.load_mapping()
    names.load_parameters()
    names.load_conditions()
    for key, resource in resources.items():
        names._parsed_resources[key] = Made(key, resource.get("Properties", {}))
    made = {
        key: resource
        for key, resource in resources.items()
        if "Condition" not in resource or names.lazy_condition_map[resource["Condition"]]
    }
    return {key: _without_nothing(clean_json(resource.get("Properties", {}), names)) for key, resource in made.items()}


def _without_nothing(value: Any) -> Any:
    """Return `value` without what AWS::NoValue left in lists."""
    if isinstance(value, dict):
        return {key: _without_nothing(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_without_nothing(one) for one in value if one is not None]
    return value
