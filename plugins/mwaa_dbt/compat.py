"""Names that moved between Airflow 3.0.6 and 3.3.1, from wherever they are."""

from __future__ import annotations

try:  # Airflow 3.2 and later
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowNotFoundException,
        AirflowRescheduleException,
        AirflowSkipException,
        DownstreamTasksSkipped,
    )
except ImportError:
    from airflow.exceptions import (  # type: ignore[no-redef]
        AirflowException,
        AirflowFailException,
        AirflowNotFoundException,
        AirflowRescheduleException,
        AirflowSkipException,
        DownstreamTasksSkipped,
    )

try:  # Airflow 3.2 and later
    from airflow.sdk._shared.secrets_masker import redact
except ImportError:
    from airflow.sdk.execution_time.secrets_masker import redact  # type: ignore[no-redef]

try:  # Airflow 3.1 and later
    from airflow.sdk import BaseHook
except ImportError:
    from airflow.hooks.base import BaseHook  # type: ignore[no-redef, attr-defined]

__all__ = [
    "AirflowException",
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowRescheduleException",
    "AirflowSkipException",
    "BaseHook",
    "DownstreamTasksSkipped",
    "redact",
]
