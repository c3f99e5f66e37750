"""A task succeeded with warnings: kept for the run's last message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mwaa_dbt.alerts import describe
from mwaa_dbt.alerts.store import Store
from mwaa_dbt.results import Outcome


def keep(context: Mapping[str, Any], outcome: Outcome) -> None:
    """Leave the warnings in the bucket. Without a bucket they stay in the task's log only."""
    store = Store.of_settings()
    if store is not None:
        event = describe.warning(context, outcome)
        store.put(event.run, event.kind, event.id, event.fields())
