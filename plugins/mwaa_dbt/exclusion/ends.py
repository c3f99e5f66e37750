"""What a failed task says of its own end: nothing of it works any more, so the next run needs no grace.

A task that was ended from outside (marked, killed, lost) says nothing: its process may take some seconds to die.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

#: Key of an XCom; Airflow removes a task's XComs when its next try begins.
_ENDED = "ended"


def say(context: Context) -> None:
    """Say that the task ends by itself, and that its dbt has ended. Never raises: unsaid, others wait for the grace."""
    try:
        context["ti"].xcom_push(key=_ENDED, value=True)
    except Exception as error:
        log.warning("Airflow couldn't be told that this task has ended by itself: %s", error)


def all_said(ti: Any, task_ids: Iterable[str]) -> bool:
    """Return whether each of these tasks of the run of `ti` said so."""
    return all(ti.xcom_pull(task_ids=task_id, key=_ENDED, map_indexes=-1) for task_id in task_ids)
