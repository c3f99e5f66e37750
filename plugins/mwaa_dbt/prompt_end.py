"""Has the supervisor of a task notice at once that the task's process has ended.

Airflow's supervisor sleeps until one of its sockets to the task has news, and then looks whether the process has ended
(airflow/sdk/execution_time/supervisor.py, `_service_subprocess`: line 1112 of 3.3.1, 773 of 3.2.1, 736 of 3.0.6). Linux
closes a process' sockets a moment before the process counts as ended. A supervisor that looks in between
has no socket left to wake it: it sleeps for `workers.min_heartbeat_interval`, 5 seconds. That long the task's slot
stays taken, and a failed or skipped task is still shown as running. `python -m bench.process_end` counts how often
that happens.

plugins/worker_plugin.py installs this in the processes that fork tasks.
"""

from __future__ import annotations

import functools
import logging
from typing import Any

log = logging.getLogger(__name__)

#: Seconds between two looks at a process whose sockets are closed.
LOOK_AGAIN = 0.02


def install() -> None:
    """Change `WatchedSubprocess._service_subprocess`: where no socket is open it sleeps for LOOK_AGAIN seconds at most.

    An Airflow without what this goes by is left as it is, and the worker's log says so.
    """
    try:
        from airflow.sdk.execution_time.supervisor import WatchedSubprocess

        original = WatchedSubprocess._service_subprocess
        if not hasattr(WatchedSubprocess, "_open_sockets"):
            raise AttributeError("WatchedSubprocess has no _open_sockets")
    except (ImportError, AttributeError) as error:
        log.warning("The end of a task may be noticed late, since Airflow's supervisor isn't as expected: %s", error)
        return
    if hasattr(original, "__wrapped__"):
        return

    @functools.wraps(original)
    def service(self: Any, max_wait_time: float, *args: Any, **kwargs: Any) -> Any:
        if not self._open_sockets:
            max_wait_time = min(max_wait_time, LOOK_AGAIN)
        return original(self, max_wait_time, *args, **kwargs)

    WatchedSubprocess._service_subprocess = service  # type: ignore[method-assign]
