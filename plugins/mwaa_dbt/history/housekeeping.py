"""What has to be done for history now and then, in a task of its own."""

from __future__ import annotations

import logging

from mwaa_dbt import settings
from mwaa_dbt.compat import AirflowSkipException
from mwaa_dbt.history import courier, days, s3, spool

log = logging.getLogger(__name__)


def gather() -> None:
    """Send what this worker still keeps, and gather the results of each day in one object.

    Raises:
        AirflowSkipException: if no history is kept.
        ConfigurationError: if the setting can't be understood.
        UnwrittenError: if the bucket can't be written; ClientError, BotoCoreError: if it can't be read.
    """
    place = settings.history()
    if place is None:
        raise AirflowSkipException(
            "No history is kept ([mwaa_dbt] bucket is not set, or history is off): nothing to gather."
        )
    sent, damaged = courier.send_leftovers(s3.Bucket(place.bucket), spool.folder(place, s3.endpoint()))
    log.info("%d results that had waited on this worker were sent, %d files are damaged.", sent, damaged)
    added = days.gather_all(s3.client(), place)
    for day, tries in added.items():
        log.info("%s: %d tries gathered.", day, tries)
    if not added:
        log.info("There was nothing new to gather.")
