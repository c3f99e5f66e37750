"""mwaactl manifest: what a release carries of a dbt project."""

import dataclasses
import json
from pathlib import Path

import click

from mwaactl import manifest as manifests
from mwaactl.errors import Problem
from mwaactl.local.layout import REPOSITORY


@click.group()
def manifest() -> None:
    """What DAGs are rendered from: build it before a release, after every change of a dbt project."""


@manifest.command()
@click.argument("project", nargs=-1)
@click.option(
    "--source",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=REPOSITORY,
    envvar="MWAACTL_SOURCE",
    help="The folder that holds dbt/ (MWAACTL_SOURCE). Default: this repository.",
)
@click.option("--force", is_flag=True, help="Build even if nothing has changed.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
def build(project: tuple[str, ...], source: Path, force: bool, format_: str) -> None:
    """Parse each PROJECT (all, if none is named) with the pinned dbt.

    Writes dbt/PROJECT/build/: manifest.json (state for slim CI, docs), partial_parse.msgpack (a quicker first start
    on a worker), render_manifest.json (what DAGs are rendered from). Installs the project's dbt packages first; no
    task ever does. A project that hasn't changed is left alone.
    """
    root = source.resolve() / "dbt"
    names = project or tuple(manifests.projects(root))
    if not names:
        raise Problem(f"There is no dbt project in {root}.", "Put yours there, a folder each.")
    built = [manifests.build(name, lambda text: click.echo(text, err=True), root=root, force=force) for name in names]
    if format_ == "json":
        click.echo(json.dumps([{**dataclasses.asdict(one), "path": str(one.path)} for one in built]))
        return
    for one in built:
        state = "is up to date" if one.fresh else "built"
        sizes = f"{one.render_size / 1024:,.0f} KiB of {one.manifest_size / 1024:,.0f} KiB"
        click.echo(f"{one.project}: manifest {state}, {one.nodes} nodes to render ({sizes})")
