"""mwaactl ci: what a pull request changes, built beside production."""

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mwaactl.commands import _ci_notes
from mwaactl.errors import FAILED, Problem
from mwaactl.local.layout import REPOSITORY

if TYPE_CHECKING:
    from mwaactl.ci.check import Request

_SOURCE = click.option(
    "--source",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=REPOSITORY,
    envvar="MWAACTL_SOURCE",
    help="The folder that holds dbt/ and dags/ (MWAACTL_SOURCE). Default: this repository.",
)
_ENVIRONMENT = click.option(
    "-e", "--environment", "name", default="prod", show_default=True, help="The environment that is production."
)
_PROFILES = click.option(
    "--profiles-dir",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where profiles.yml lies. Default: DBT_PROFILES_DIR, else the project's folder.",
)
_CONNECTION = click.option(
    "--connection",
    is_flag=False,
    flag_value="{project}_{target}",
    help="Use this connection of the environment's Secrets Manager instead of profiles.yml. Without a value: "
    "PROJECT_TARGET.",
)
_PULL_REQUEST = click.option("--pull-request", type=click.IntRange(1), help="Its number: 123 gives the schema pr_123.")
_SCHEMA = click.option("--schema", help="Its schema, if it has no number; must begin with pr_ or ci_.")


def _of_a_pull_request(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the arguments that say which pull request of which project is meant, as one `request`."""

    @click.argument("project", required=False)
    @_ENVIRONMENT
    @_PULL_REQUEST
    @_SCHEMA
    @_SOURCE
    @_PROFILES
    @_CONNECTION
    @functools.wraps(command)
    def with_request(
        project: str | None,
        name: str,
        pull_request: int | None,
        schema: str | None,
        source: Path,
        profiles_dir: Path | None,
        connection: str | None,
        **others: Any,
    ) -> None:
        from mwaactl import environments
        from mwaactl.ci import schemas
        from mwaactl.ci.check import Request

        own = schemas.name(pull_request, schema)
        project = _project(source.resolve(), project)
        request = Request(
            environment=environments.read(name, source),
            source=source.resolve(),
            project=project,
            schema=own,
            folder=REPOSITORY / ".local" / "ci" / project / f"{own}-{command.__name__}",
            profiles_dir=profiles_dir and profiles_dir.resolve(),
            connection=connection,
        )
        command(request, **others)

    return with_request


@click.group()
def ci() -> None:
    """Checks of pull requests (slim CI), and what a workflow tells people."""


ci.add_command(_ci_notes.comment)
ci.add_command(_ci_notes.notify)


@ci.command()
@_of_a_pull_request
@click.option("--summary", type=click.Path(path_type=Path, dir_okay=False), help="Also write the summary here.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
def check(request: "Request", summary: Path | None, format_: str) -> None:
    """Build what PROJECT (the only one, if none is named) changes, and everything after it, in schemas of its own.

    Compares with the state of production in the environment's bucket; what isn't built is read from production. First
    on empty tables, so that SQL errors show within seconds, then for real, with tests; then the schemas are dropped.
    Prints a summary in Markdown. Exit status 1 if a model or test failed, or a schema is left.
    """
    from mwaactl.ci import check as checks
    from mwaactl.ci import summary as summaries
    from mwaactl.ci.steps import Steps, interruptible
    from mwaactl.local.progress import progress

    with progress() as display, interruptible():
        found = checks.run(request, Steps(display))
    if found.state is None:
        click.secho(
            f"There is no state of {request.project} in {request.environment.bucket}: EVERYTHING was built. After the "
            f"next successful run, publish it: mwaactl manifest publish {request.project} "
            f"-e {request.environment.name}",
            err=True,
            fg="yellow",
            bold=True,
        )
    text = summaries.markdown(found)
    if summary:
        summary.write_text(text, encoding="utf-8")
    click.echo(json.dumps(summaries.as_data(found), indent=1) if format_ == "json" else text)
    sys.exit(0 if found.ok else FAILED)


@ci.command()
@_of_a_pull_request
def drop(request: "Request") -> None:
    """Drop the schemas of a pull request that a killed check left; a check does it itself at both its ends."""
    from mwaactl.ci import check as checks

    gone = checks.drop(request, lambda text: click.echo(text, err=True))
    click.echo("\n".join(gone) or f"There was no schema {request.schema} or {request.schema}_...")


def _project(source: Path, name: str | None) -> str:
    from mwaactl import manifest

    known = manifest.projects(source / "dbt")
    if name is None and len(known) == 1:
        return known[0]
    if name not in known:
        raise Problem(
            f"There is no dbt project in {source / 'dbt' / name}." if name else "Which dbt project?",
            f"Projects there: {', '.join(known) or 'none'}.",
            FAILED if name else 2,
        )
    return name
