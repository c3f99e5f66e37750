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
@click.option(
    "--target",
    "targets",
    multiple=True,
    help="A dbt target to parse for; may be given several times. Default: dev and those of infra/environments.yaml.",
)
@click.option("--force", is_flag=True, help="Build even if nothing has changed.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
def build(project: tuple[str, ...], source: Path, targets: tuple[str, ...], force: bool, format_: str) -> None:
    """Parse each PROJECT (all, if none is named) with the pinned dbt.

    Writes dbt/PROJECT/build/: manifest.json (state for slim CI, docs), partial_parse.TARGET.msgpack for each target
    that the project's profiles.yml knows (so that no worker parses), render_manifest.json (what DAGs are rendered
    from). Installs the project's dbt packages first; no task ever does. A project that hasn't changed is left alone.
    """
    from mwaactl import environments  # loads boto3

    root = source.resolve() / "dbt"
    names = project or tuple(manifests.projects(root))
    if not names:
        raise Problem(f"There is no dbt project in {root}.", "Put yours there, a folder each.")

    def told(text: str) -> None:
        click.echo(text, err=True)

    wanted = targets or environments.targets(root.parent)
    built = [manifests.build(name, told, root=root, targets=wanted, force=force) for name in names]
    if format_ == "json":
        click.echo(json.dumps([{**dataclasses.asdict(one), "path": str(one.path)} for one in built]))
        return
    for one in built:
        state = "is up to date" if one.fresh else "built"
        sizes = f"{one.render_size / 1024:,.0f} KiB of {one.manifest_size / 1024:,.0f} KiB"
        click.echo(f"{one.project}: manifest {state}, {one.nodes} nodes to render ({sizes})")


@manifest.command()
@click.argument("project", nargs=-1)
@click.option("-e", "--environment", "name", required=True, help="The environment in which it ran.")
@click.option(
    "--dag-run",
    "dag_runs",
    multiple=True,
    metavar="DAG_ID[/RUN_ID]",
    help="The run that proves it, several if the project has several DAGs. Default: the newest run of each DAG that "
    "has the project's name as a tag.",
)
@click.option(
    "--source",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=REPOSITORY,
    envvar="MWAACTL_SOURCE",
    help="The folder that holds dbt/ and infra/ (MWAACTL_SOURCE). Default: this repository.",
)
@click.option(
    "--profiles-dir",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where profiles.yml lies. Default: DBT_PROFILES_DIR, else the project's folder.",
)
@click.option(
    "--connection",
    is_flag=False,
    flag_value="{project}_{target}",
    help="Use this connection of the environment's Secrets Manager instead of profiles.yml. Without a value: "
    "PROJECT_TARGET.",
)
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
def publish(
    project: tuple[str, ...],
    name: str,
    dag_runs: tuple[str, ...],
    source: Path,
    profiles_dir: Path | None,
    connection: str | None,
    format_: str,
) -> None:
    """Make what production ran the state that pull requests are compared with (mwaactl ci check).

    Takes each PROJECT (all, if none is named) from the release in the bucket, not from here, and only when a run of
    that release has succeeded, whole and for the environment's target. A copy is kept for each release.
    """
    import tempfile

    from mwaactl import environments
    from mwaactl.ci import publish as publishing

    source = source.resolve()
    environment = environments.read(name, source)
    projects = project or tuple(manifests.projects(source / "dbt"))
    published = {}
    with tempfile.TemporaryDirectory(prefix="mwaactl-") as folder:
        for one in projects:
            request = publishing.Request(
                environment=environment,
                project=one,
                project_dir=source / "dbt" / one,
                folder=Path(folder) / one,
                dag_runs=dag_runs,
                profiles_dir=profiles_dir and profiles_dir.resolve(),
                connection=connection,
            )
            published[one] = publishing.publish(request, lambda text: click.echo(text, err=True))
    if format_ == "json":
        click.echo(json.dumps({one: dataclasses.asdict(done) for one, done in published.items()}))
        return
    for one, done in published.items():
        what = f"is the one of release {done.release}" + ("" if done.changed else " already")
        click.echo(f"{one}: the state {what}{f' (before: {done.previous})' if done.changed and done.previous else ''}")
