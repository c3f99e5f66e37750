"""What a run of everything in production leaves behind: dbt's docs, and the state that slim CI compares with."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from cosmos.operators import virtualenv as cosmos_virtualenv

from mwaa_dbt import settings, state
from mwaa_dbt.compat import AirflowSkipException
from mwaa_dbt.errors import MwaaDbtError
from mwaa_dbt.operators import PrebuiltVirtualenv
from mwaa_dbt.run_form import RunForm

if TYPE_CHECKING:
    from airflow.sdk import Context

#: The dbt target that is production.
PRODUCTION = "prod"
_TYPES = {"index.html": "text/html; charset=utf-8"}


class _AfterProduction(PrebuiltVirtualenv):
    """Runs dbt after a run of all nodes in production, and keeps what it wrote; skipped after any other run.

    Args:
        project: the dbt project's name.
    """

    #: What dbt writes to its target folder that is kept.
    files: ClassVar[tuple[str, ...]] = ()
    #: What that is, as the run's summary says it (alerts/summary.py).
    publishes: ClassVar[str] = ""

    def __init__(self, *, project: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.project = project
        self._written: dict[str, bytes] = {}

    def execute(self, context: Context, **kwargs: Any) -> Any:
        """Run dbt and keep its files.

        Raises:
            AirflowSkipException: if the run wasn't of all nodes, or not in production.
            MwaaDbtError: if dbt wrote less than it should, or what it wrote can't be kept.
        """
        form = RunForm.of_run(context, settings.target())
        if form.target != PRODUCTION or form.partial:
            what = "some nodes" if form.partial else "all nodes"
            raise AirflowSkipException(f"This run was of {what} in {form.target}, and not of all in {PRODUCTION}.")
        super().execute(context, **kwargs)
        if missing := [name for name in self.files if name not in self._written]:
            raise MwaaDbtError(f"dbt {' '.join(self.base_cmd)} wrote no {' and no '.join(missing)}.")
        self.keep(self._written, context)

    def keep(self, files: dict[str, bytes], context: Context) -> None:
        """Put `files` (content by name) where they belong."""
        raise NotImplementedError

    def _keep(self, workspace: str, context: Context) -> None:
        # The folder ends with the command. (A warm dbt would write none of this; it serves neither command.)
        target = Path(workspace) / "target"
        self._written = {name: (target / name).read_bytes() for name in self.files if (target / name).is_file()}


class PublishDocs(_AfterProduction, cosmos_virtualenv.DbtDocsVirtualenvOperator):
    """``dbt docs generate``, and its site into the bucket, from where Cosmos' plugin shows it in the Airflow UI."""

    files = ("index.html", "catalog.json", "manifest.json")
    publishes = "dbt's docs"

    def keep(self, files: dict[str, bytes], context: Context) -> None:
        """Write the site; the page comes last, so that a new one finds its data."""
        place = state.Place(settings.bucket(), self.project, PRODUCTION, settings.bucket_prefix())
        s3 = _s3()
        for name in reversed(self.files):
            key = place.key(f"mwaactl/docs/{self.project}/{name}")
            s3.put_object(
                Bucket=place.bucket, Key=key, Body=files[name], ContentType=_TYPES.get(name, "application/json")
            )
            self.log.info("Wrote s3://%s/%s (%d bytes)", place.bucket, key, len(files[name]))


class PublishState(_AfterProduction):
    """``dbt parse``, and its manifest as the state of production, which pull requests are compared with."""

    base_cmd: ClassVar[list[str]] = ["parse"]
    files = ("manifest.json",)
    publishes = "the state that pull requests are compared with"

    def keep(self, files: dict[str, bytes], context: Context) -> None:
        """Publish the manifest.

        Raises:
            MwaaDbtError: if nothing is released, if the release came after the run had begun, or if somebody else
                published meanwhile: then the state stays as it is.
        """
        place = state.Place(settings.bucket(), self.project, PRODUCTION, settings.bucket_prefix())
        s3, run = _s3(), context["dag_run"]
        try:
            release = state.released(s3, place)
            if release is None:
                raise MwaaDbtError(
                    f"Nothing is released in s3://{place.bucket}/{place.key('')}, so there is no release whose state "
                    "this could be. Release with `mwaactl release apply`."
                )
            _check_began_after(state.released_at(s3, place, release), run.start_date, release)
            done = state.publish(s3, place, files["manifest.json"], release, run=f"{run.dag_id}/{run.run_id}")
        except state.StateError as error:
            raise MwaaDbtError(str(error)) from error
        self.log.info(
            "The state of release %s %s s3://%s/%s.",
            done.release,
            "is now" if done.changed else "was already",
            place.bucket,
            place.manifest,
        )


def _check_began_after(released: datetime, began: datetime | None, release: str) -> None:
    if began is None or began < released:
        raise MwaaDbtError(
            f"The run began before release {release} ({released:%Y-%m-%d %H:%M:%S} UTC), so that some of its tasks may "
            "have run the one before: the state stays as it is. Run this DAG again."
        )


def _s3() -> Any:
    import boto3

    return boto3.client("s3")
