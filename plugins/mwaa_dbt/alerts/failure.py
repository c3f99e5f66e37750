"""A task has failed: leave word in the bucket, then tell, unless another process is telling already."""

from __future__ import annotations

import logging
import time
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
    deadline = time.monotonic() + deliver.TASK_SECONDS
    store = Store.of_settings()
    if store is None:
        if not event.silenced:
            deliver.tell_at_once(event, deadline)
        return
    kept = False
    try:
        store.put(event.run, event.kind, event.id, event.fields())
        kept = True
        deliver.deliver(event.run, store, deadline)
    except StoreError as error:
        log.error("The alert's bucket is away: %s", error)
        if not kept and not event.silenced:
            deliver.tell_at_once(event, deadline)
