"""The workflows as data, and a runner for their scripts: what a job would execute, without GitHub."""

import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mwaactl.local.layout import REPOSITORY

FOLDER = REPOSITORY / ".github" / "workflows"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yml"))
_EXPRESSION = re.compile(r"\$\{\{\s*([\w.-]+)\s*\}\}")


def load(name: str) -> dict[str, Any]:
    """Return a workflow. Every scalar is a text, so that `on` stays `on`."""
    content: dict[str, Any] = yaml.load((FOLDER / f"{name}.yml").read_text(), yaml.BaseLoader)
    return content


def jobs(name: str) -> dict[str, dict[str, Any]]:
    """Return a workflow's jobs."""
    return dict(load(name)["jobs"])


def steps() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Return every step of every job, as workflow, job, step."""
    for name in NAMES:
        for job, content in jobs(name).items():
            for step in content.get("steps", ()):
                yield name, job, step


@dataclass
class Job:
    """A job to run: GitHub's contexts by dotted name (`github.event.action`), `given` on top of what the steps set.

    `conditions` says what each `if:` of a step is worth, given whether a step has failed; an unknown one is an error.
    """

    workflow: str
    name: str
    contexts: Mapping[str, str]
    given: Mapping[str, str]
    conditions: Mapping[str, Callable[[bool], bool]] = field(default_factory=dict)
    output: list[str] = field(default_factory=list)

    def run(self, folder: Path) -> bool:
        """Run the job's scripts in `folder` as a runner would, and return whether it is green.

        Steps with `uses:` are left out: they bring the checkout, Python and credentials.
        """
        content, workflow = jobs(self.workflow)[self.name], load(self.workflow)
        failed = False
        for step in content["steps"]:
            if "run" not in step or not self._due(step.get("if"), failed):
                continue
            variables: dict[str, str] = {}
            for level in (workflow, content, step):
                variables |= {key: self._value(value) for key, value in level.get("env", {}).items()}
            done = subprocess.run(
                ["bash", "-e", "-c", step["run"]],  # as on a runner: no pipefail where no shell is named
                cwd=folder,
                env={**variables, **self.given},
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
            )
            self.output.append(f"$ {step['run']}\n{done.stdout}{done.stderr}")
            failed = failed or (done.returncode != 0 and step.get("continue-on-error") != "true")
        return not failed

    def _due(self, condition: str | None, failed: bool) -> bool:
        return not failed if condition is None else self.conditions[condition](failed)

    def _value(self, text: str) -> str:
        return _EXPRESSION.sub(lambda match: self.contexts[match[1]], text)
