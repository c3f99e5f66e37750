"""CloudFormation templates of infra/ for one environment: its names as defaults, its configuration options in place."""

import json
import re
from pathlib import Path

from mwaactl.environments import ENVIRONMENTS_FILE, Environment
from mwaactl.errors import Problem
from mwaactl.local import options

TEMPLATES = ("environment", "ci-role", "monitoring")
_OPTIONS_PLACE = "      AirflowConfigurationOptions: {}\n"


def configuration_options(environment: Environment, source: Path) -> dict[str, str]:
    """Return the configuration options of `environment`: the project's, then its own.

    Raises Problem when infra/configuration-options.yaml can't be used.
    """
    return {**options.read(source), **environment.own_options}


def render(template: str, environment: Environment, source: Path) -> str:
    """Return infra/`template`.yaml of the project at `source`, ready for `environment`.

    What infra/environments.yaml knows becomes the default of the template's parameters; MWAA's options are those of
    `configuration_options`. Raises Problem for the local environment, and when the template lacks the place for them.
    """
    if environment.is_local:
        raise Problem("The local environment is no stack.", f"Name one of {ENVIRONMENTS_FILE}.")
    path = source / "infra" / f"{template}.yaml"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise Problem(f"{path} can't be read: {error.strerror}.", "Restore it.") from error
    chosen = configuration_options(environment, source)
    for name, value in _defaults(environment, chosen).items():
        text = _with_default(text, name, value)
    if template == "environment":
        if text.count(_OPTIONS_PLACE) != 1:
            raise Problem(
                f"{path} has no single line `{_OPTIONS_PLACE.strip()}`, the place of the configuration options.",
                "Restore it.",
            )
        lines = "".join(f"        {name}: {json.dumps(value)}\n" for name, value in chosen.items())
        text = text.replace(_OPTIONS_PLACE, _OPTIONS_PLACE.replace(" {}", "") + lines)
    return f"# infra/{template}.yaml for {environment.name}, made by mwaactl: change that file, not this one.\n{text}"


def _defaults(environment: Environment, chosen: dict[str, str]) -> dict[str, str]:
    prefix = environment.prefix.strip("/")
    return {
        "Name": environment.name,
        "EnvironmentName": environment.mwaa,
        "BucketName": environment.bucket,
        "Prefix": f"{prefix}/" if prefix else "",
        "DbtTarget": environment.target,
        "AirflowRole": environment.role,
        "RawBucketName": chosen.get("mwaa_dbt.raw_bucket", ""),
    }


def _with_default(text: str, parameter: str, value: str) -> str:
    """Return the template `text` with `value` as the default of `parameter`, if it has that parameter."""
    pattern = re.compile(rf"^  {parameter}:\n    Type: String\n(?:    Default: .*\n)?", re.MULTILINE)
    return pattern.sub(lambda _: f"  {parameter}:\n    Type: String\n    Default: {json.dumps(value)}\n", text, count=1)
