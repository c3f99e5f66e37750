"""mwaactl infra: the CloudFormation templates of infra/ for one environment."""

from pathlib import Path

import click

from mwaactl import templates
from mwaactl.local.layout import REPOSITORY


@click.group()
def infra() -> None:
    """The AWS resources of an environment (CloudFormation)."""


@infra.command()
@click.argument("template", type=click.Choice(templates.TEMPLATES))
@click.option("-e", "--environment", "name", required=True, help="Its name in infra/environments.yaml.")
@click.option(
    "--source",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=REPOSITORY,
    envvar="MWAACTL_SOURCE",
    help="The folder that holds infra/ (MWAACTL_SOURCE). Default: this repository.",
)
def render(template: str, name: str, source: Path) -> None:
    """Print infra/TEMPLATE.yaml with the environment's names and configuration options in it.

    Nothing is sent to AWS; docs/first-deployment.md says what to do with it.
    """
    from mwaactl import environments

    source = source.resolve()
    click.echo(templates.render(template, environments.read(name, source), source), nl=False)
