"""A task has failed: leave word in the bucket, then tell, unless another process is telling already."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from mwaa_dbt.alerts import deliver, describe
from mwaa_dbt.alerts.store import Store, StoreError

log = logging.getLogger(__name__)


def tell(context: Mapping[str, Any]) -> None:
    """Tell of the failed task in `context`. Where it can't be told now, it is told by a later callback."""
    event = describe.failure(context)
    for problem in event.problems:
        log.warning("%s", problem)
    if event.silenced:
        log.info("No alert: silenced. %s", event.silenced)
    store = Store.of_settings()
    if store is None:
        if not event.silenced:
            deliver.tell_at_once(event, deliver.couriers(deliver.TASK_SECONDS))
        return
    kept = False
    try:
        store.put(event.run, event.kind, event.id, event.fields())
        kept = True
        deliver.deliver(event.run, store, deliver.couriers(deliver.TASK_SECONDS))
    except StoreError as error:
        log.error("The alert's bucket is away: %s", error)
        if not kept and not event.silenced:
            deliver.tell_at_once(event, deliver.couriers(deliver.TASK_SECONDS))
    else:
        log.debug("What is left in s3://%s/%soutbox/ is told later.", store.bucket, store.prefix)
