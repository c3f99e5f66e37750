"""The environments that mwaactl works with, and AWS clients for them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import ProfileNotFound
from botocore.loaders import create_loader

from mwaactl import yaml_files
from mwaactl.errors import NOT_RUNNING, Problem
from mwaactl.local import aws
from mwaactl.local.layout import BUCKET, REGION, Layout
from mwaactl.local.state import read_json, supervisor

ENVIRONMENTS_FILE = "infra/environments.yaml"
LOCAL = "local"
LOCAL_TARGET = "dev"
_REQUIRED = ("mwaa", "bucket", "region", "account", "target")
_FORMS = {
    "mwaa": r"[a-zA-Z][0-9a-zA-Z_-]{0,79}",  # botocore: EnvironmentName
    "bucket": r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
    "region": r"[a-z]{2}(-[a-z]+)+-\d",
    "account": r"\d{12}",
    "target": r"[a-zA-Z_]\w*",
    "prefix": r"(/?[\w.!*'()-]+(/[\w.!*'()-]+)*/?)?",
    "role": r"\w[\w.@-]*",
}
# Keeps the services' models, which take longer to read than everything else about a client.
_MODELS = create_loader()


@dataclass(frozen=True)
class Environment:
    """One environment of infra/environments.yaml, or the local one.

    `endpoints` are the URLs of the AWS services that aren't AWS's own, by boto3's service name ("" for all others).
    """

    name: str
    mwaa: str
    bucket: str
    region: str
    account: str
    target: str
    prefix: str = ""
    role: str = "Op"
    options: Mapping[str, str] = field(default_factory=dict)
    endpoints: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_local(self) -> bool:
        """Whether this is the environment on this machine."""
        return self.name == LOCAL

    @property
    def own_options(self) -> dict[str, str]:
        """The configuration options that follow from what the environment is, then those that are set for it."""
        prefix = self.prefix.strip("/")
        own = {"mwaa_dbt.target": self.target, "mwaa_dbt.bucket": self.bucket}
        if prefix:
            own["mwaa_dbt.bucket_prefix"] = prefix
        return {**own, **self.options}

    def key(self, path: str) -> str:
        """Return the key in the bucket of a file of a release, e.g. `dags/flights_load.py`."""
        return f"{self.prefix.strip('/')}/{path}".lstrip("/")

    def client(self, service: str) -> Any:
        """Return a boto3 client of `service` in this environment's region, with the caller's credentials.

        Raises Problem when AWS_PROFILE names a profile that isn't there.
        """
        local = {"aws_access_key_id": "local", "aws_secret_access_key": "local"} if self.is_local else {}
        core = botocore.session.get_session()
        core.register_component("data_loader", _MODELS)
        endpoint = self.endpoints.get(service) or self.endpoints.get("")
        # MWAA's operations put `api.` and `env.` before the host's name, which an address on this machine doesn't have.
        config = Config(
            retries={"mode": "standard", "max_attempts": 5},
            inject_host_prefix=False if endpoint else None,
            s3={"addressing_style": "path"} if endpoint else None,
        )
        try:
            session = boto3.session.Session(botocore_session=core, region_name=self.region, **local)
            return session.client(service, endpoint_url=endpoint, config=config)
        except ProfileNotFound as error:
            raise Problem(f"{error}.", "Set AWS_PROFILE to one of `aws configure list-profiles`.") from error


def names(source: Path) -> list[str]:
    """Return the names of the environments that the project at `source` knows, `local` included."""
    return [*_file(source), LOCAL]


def targets(source: Path) -> list[str]:
    """Return the dbt targets of the environments that the project at `source` knows, the local one's first."""
    entries = [entry for entry in _file(source).values() if isinstance(entry, dict)]
    return list(dict.fromkeys([LOCAL_TARGET, *(str(entry["target"]) for entry in entries if entry.get("target"))]))


def read(name: str, source: Path, layout: Layout | None = None) -> Environment:
    """Return the environment called `name` of the project at `source`; `layout` says which local one is meant.

    Raises Problem when there is none of this name, when its entry is incomplete or malformed, or when it is `local` and
    isn't running.
    """
    if name == LOCAL:
        return _local(layout or Layout.of(source=source))
    path = source / ENVIRONMENTS_FILE
    entries = _file(source)
    if name not in entries:
        raise Problem(f"{path} has no environment {name}.", f"Choose one of {', '.join([*entries, LOCAL])}.")
    entry = entries[name]
    known = {one.name for one in fields(Environment)} - {"name", "endpoints"}
    if not isinstance(entry, dict):
        raise Problem(f"{path}: {name} has no settings.", f"It needs {', '.join(_REQUIRED)}.")
    missing = [one for one in _REQUIRED if not entry.get(one)]
    if missing:
        raise Problem(f"{path}: {name} lacks {', '.join(missing)}.", "Add it; the file's first lines say what it is.")
    if unknown := sorted(set(entry) - known):
        raise Problem(f"{path}: {name} has unknown settings: {', '.join(unknown)}.", f"Known: {', '.join(known)}.")
    for key, form in _FORMS.items():
        if key in entry and (not isinstance(entry[key], str) or not re.fullmatch(form, entry[key])):
            raise Problem(f"{path}: {name}: {key} is {entry[key]!r}.", f"Give a text of the form {form}, in quotes.")
    _check_options(entry.get("options", {}), f"{path}: {name}")
    return Environment(name=name, **entry)


def _check_options(found: Any, where: str) -> None:
    if not isinstance(found, dict):
        raise Problem(f"{where}: options is {found!r}.", 'Write one `section.option: "value"` per line below it.')
    for option, value in found.items():
        if not isinstance(option, str) or not isinstance(value, str):
            raise Problem(f"{where}: the option {option} is {value!r}, not a text.", 'Write its value in quotes: "3".')


def _file(source: Path) -> dict[str, Any]:
    path = source / ENVIRONMENTS_FILE
    return yaml_files.mapping(path) if path.exists() else {}


def _local(layout: Layout) -> Environment:
    state = read_json(layout.state_file)
    if not supervisor(state) or "urls" not in state:
        raise Problem(f"The environment in {layout.root} is not running.", "Start it with `make up`.", NOT_RUNNING)
    urls = state["urls"]
    endpoints = {"": urls["aws"], **({"mwaa": urls["mwaa"]} if "mwaa" in urls else {})}
    return Environment(
        name=LOCAL,
        mwaa=LOCAL,
        bucket=BUCKET,
        region=REGION,
        account=aws.ACCOUNT,
        target=LOCAL_TARGET,
        endpoints=endpoints,
    )
