"""mwaactl lint: rules for dbt projects, their SQL and DAG files."""

import sys
from pathlib import Path

import click

from mwaactl.errors import FAILED, Problem
from mwaactl.local.layout import REPOSITORY


@click.command()
@click.argument("project", nargs=-1)
@click.option(
    "--source",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=REPOSITORY,
    envvar="MWAACTL_SOURCE",
    help="The folder that holds dbt/ and dags/ (MWAACTL_SOURCE). Default: this repository.",
)
@click.option("--format", "format_", type=click.Choice(["text", "json", "github"]), default="text", show_default=True)
def lint(project: tuple[str, ...], source: Path, format_: str) -> None:
    """Check each dbt PROJECT (all, if none is named) and the DAG files.

    dbt parses without a warning; every model, seed and snapshot is described, owned and tested; SQL has the style that
    .sqlfluff says; DAGs can be imported, have owner, tags and doc_md, and look nothing up while they are parsed.
    Exit status 1 if there is a finding. `github` prints annotations for pull requests.
    """
    from mwaactl import manifest
    from mwaactl.lint import check, findings

    source = source.resolve()
    known = manifest.projects(source / "dbt")
    for one in project:
        if one not in known:
            raise Problem(f"There is no dbt project in {source / 'dbt' / one}.", f"Projects there: {', '.join(known)}.")
    found = check.run(source, project or known, lambda text: click.echo(text, err=True))
    if found or format_ == "json":
        click.echo(findings.printed(found, format_))
    count = f"{len(found)} finding{'s' if len(found) > 1 else ''}" if found else "no findings"
    click.echo(f"mwaactl lint: {count}", err=True)
    sys.exit(FAILED if found else 0)
