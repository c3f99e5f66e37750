"""mwaactl ci: what a pull request changes, built beside production."""

import json
import sys
from pathlib import Path

import click

from mwaactl.commands import _ci_notes
from mwaactl.errors import FAILED, Problem
from mwaactl.local.layout import REPOSITORY

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


@click.group()
def ci() -> None:
    """Checks of pull requests (slim CI), and what a workflow tells people."""


ci.add_command(_ci_notes.comment)
ci.add_command(_ci_notes.notify)


@ci.command()
@click.argument("project", required=False)
@_ENVIRONMENT
@_PULL_REQUEST
@_SCHEMA
@_SOURCE
@_PROFILES
@_CONNECTION
@click.option("--summary", type=click.Path(path_type=Path, dir_okay=False), help="Also write the summary here.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
def check(
    project: str | None,
    name: str,
    pull_request: int | None,
    schema: str | None,
    source: Path,
    profiles_dir: Path | None,
    connection: str | None,
    summary: Path | None,
    format_: str,
) -> None:
    """Build what PROJECT (the only one, if none is named) changes, and everything after it, in schemas of its own.

    Compares with the state of production in the environment's bucket; what isn't built is read from production. First
    on empty tables, so that SQL errors show within seconds, then for real, with tests; then the schemas are dropped.
    Prints a summary in Markdown. Exit status 1 if a model or test failed, or a schema is left.
    """
    from mwaactl import environments
    from mwaactl.ci import check as checks
    from mwaactl.ci import schemas
    from mwaactl.ci import summary as summaries
    from mwaactl.ci.steps import Steps, interruptible
    from mwaactl.local.progress import progress

    own = schemas.name(pull_request, schema)
    project = _project(source.resolve(), project)
    request = checks.Request(
        environment=environments.read(name, source),
        source=source.resolve(),
        project=project,
        schema=own,
        folder=REPOSITORY / ".local" / "ci" / project / own,
        profiles_dir=profiles_dir and profiles_dir.resolve(),
        connection=connection,
    )
    with progress() as display, interruptible():
        found = checks.run(request, Steps(display))
    if found.state is None:
        click.secho(
            f"There is no state of {project} in {request.environment.bucket}: EVERYTHING was built. After the next "
            f"successful run, publish it: mwaactl manifest publish {project} -e {name}",
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
@click.argument("project", required=False)
@_ENVIRONMENT
@_PULL_REQUEST
@_SCHEMA
@_SOURCE
@_PROFILES
@_CONNECTION
def drop(
    project: str | None,
    name: str,
    pull_request: int | None,
    schema: str | None,
    source: Path,
    profiles_dir: Path | None,
    connection: str | None,
) -> None:
    """Drop the schemas of a pull request that a killed check left; a check does it itself at both its ends."""
    from mwaactl import environments
    from mwaactl.ci import check as checks
    from mwaactl.ci import schemas

    own = schemas.name(pull_request, schema)
    project = _project(source.resolve(), project)
    request = checks.Request(
        environment=environments.read(name, source),
        source=source.resolve(),
        project=project,
        schema=own,
        folder=REPOSITORY / ".local" / "ci" / project / f"{own}-drop",
        profiles_dir=profiles_dir and profiles_dir.resolve(),
        connection=connection,
    )
    gone = checks.drop(request, lambda text: click.echo(text, err=True))
    click.echo("\n".join(gone) or f"There was no schema {own} or {own}_...")


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
