"""mwaactl ci comment, mwaactl ci notify: what a workflow tells people. The group is in ci.py."""

import os
from pathlib import Path

import click

from mwaactl.ci_notes import comment as comments
from mwaactl.ci_notes import slack


@click.command()
@click.argument("file", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--pull-request", required=True, type=click.IntRange(1), help="Its number.")
@click.option("--subject", required=True, help="What it is about; a later comment about it takes its place.")
def comment(file: tuple[Path, ...], pull_request: int, subject: str) -> None:
    """Put FILEs into one comment of a pull request; a second call brings that comment up to date.

    Markdown (*.md) goes in as it is, anything else as a folded block. GITHUB_TOKEN and GITHUB_REPOSITORY come from the
    environment, as on a runner. Prints the comment's address.
    """
    click.echo(comments.write(subject, pull_request, comments.body(subject, list(file)), os.environ))


@click.command()
@click.argument("state", type=click.Choice(list(slack.STATES)))
def notify(state: str) -> None:
    """Tell Slack that the pull request, or the deployment, of this workflow run was opened, failed or is released.

    SLACK_TOKEN and SLACK_CHANNEL come from the environment; without a token nobody is told, and that is no error.
    """
    if not slack.send(slack.message(state, os.environ), os.environ):
        click.echo("SLACK_TOKEN is not set: nobody is told.", err=True)
