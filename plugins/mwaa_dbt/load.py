"""Loads a raw file from S3 into the warehouse, by the dbt project's own macro."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from botocore.exceptions import ClientError

from mwaa_dbt import settings
from mwaa_dbt.errors import ConfigurationError, MwaaDbtError
from mwaa_dbt.node_operators import DbtRunOperationVirtualenvOperator
from mwaa_dbt.project import DbtProject

if TYPE_CHECKING:
    from airflow.sdk import Context

MACRO = "load_raw"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class LoadRaw(DbtRunOperationVirtualenvOperator):
    """Replaces one day of a raw table (or the whole table) by what a file in the raw bucket holds.

    The macro ``load_raw`` of the project does it in one transaction, so a day can be loaded twice, or days in any
    order, and the tables are the same.

    Args:
        project: the dbt project that has the macro and the table as a source.
        table: the source table's name.
        key: the file's key in the raw bucket (templated).
        day: the day it holds, as ``YYYY-MM-DD`` (templated); None: the whole table.
    """

    template_fields = (*DbtRunOperationVirtualenvOperator.template_fields, "key", "day")

    def __init__(self, *, project: DbtProject, table: str, key: str, day: str | None = None, **kwargs: Any) -> None:
        super().__init__(macro_name=MACRO, **{**project.task_args(), **kwargs})
        self.table = table
        self.key = key
        self.day = day

    def execute(self, context: Context, **kwargs: Any) -> Any:
        """Fetch the file and load it.

        Raises:
            ConfigurationError: if the run says no day.
            MwaaDbtError: if the file isn't there (yet).
        """
        if self.day is not None and not _DAY.fullmatch(self.day):
            raise ConfigurationError(
                "This run says no day to load: a manual run has a data interval only if it is given a logical date "
                "(POST dagRuns with logical_date, or `mwaactl local trigger --logical-date 2013-01-02`: the day before "
                "is loaded). For several days, start a backfill."
            )
        with TemporaryDirectory(prefix="mwaa-dbt-raw-") as folder:
            path = Path(folder) / Path(self.key).name
            self._download(path)
            self.args = {"table": self.table, "path": str(path), **({"day": self.day} if self.day else {})}
            return super().execute(context, **kwargs)

    def _download(self, path: Path) -> None:
        bucket = settings.raw_bucket()
        try:
            S3Hook().get_conn().download_file(bucket, self.key, str(path))
        except ClientError as error:
            if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NoSuchBucket"):
                raise MwaaDbtError(
                    f"There is no file s3://{bucket}/{self.key}: it hasn't landed yet, or [mwaa_dbt] raw_bucket "
                    "names another bucket."
                ) from error
            raise
        self.log.info("Fetched s3://%s/%s (%d bytes)", bucket, self.key, path.stat().st_size)
