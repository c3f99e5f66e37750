"""`python -m bench.process_end`: how often Airflow's supervisor sleeps on although its task's process is about to end.

Has Airflow's own supervisor (its class, without an API server) watch processes that end at once, as Airflow has it and
with mwaa_dbt/prompt_end.py. Counts those whose end it would have noticed only after `workers.min_heartbeat_interval`.
Prints the table that docs/decisions/prompt-end.md shows. Half a minute.
"""

from __future__ import annotations

import argparse
import os
import uuid
from typing import Any

from bench.environment import ROOT
from bench.report import table

#: What Airflow sleeps for at most while a task runs, in seconds (its default of workers.min_heartbeat_interval).
INTERVAL = 5.0


def end() -> None:
    """Do nothing, and end as a task's process does."""


def overslept(processes: int) -> int:
    """Supervise `processes` processes, one after another; return at how many nothing was left to wake the supervisor.

    A sleep of INTERVAL seconds is cut short here: that it would have come is what is counted.
    """
    from airflow.sdk.execution_time.supervisor import WatchedSubprocess

    count = 0
    for _ in range(processes):
        watched = WatchedSubprocess.start(id=uuid.uuid4(), target=end)
        select, slept = watched.selector.select, []

        def look(timeout: float | None = None, select: Any = select, watched: Any = watched, slept: Any = slept) -> Any:
            if not watched.selector.get_map() and timeout == INTERVAL:
                slept.append(timeout)
                return select(0.01)
            return select(timeout)

        watched.selector.select = look
        while watched._service_subprocess(max_wait_time=INTERVAL) is None:
            pass
        count += bool(slept)
    return count


def main() -> None:
    """Count, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.process_end", description=__doc__.partition("\n")[2])
    parser.add_argument("--processes", type=int, default=200, help="of each kind (default 200)")
    processes = parser.parse_args().processes
    os.environ.setdefault("AIRFLOW_HOME", str(ROOT / "process-end"))
    from mwaa_dbt import prompt_end

    found = [("Airflow", overslept(processes))]
    prompt_end.install()
    found.append(("with `prompt_end`", overslept(processes)))
    print(table(["Supervisor", f"5 s late, of {processes}"], [[name, str(count)] for name, count in found]))


if __name__ == "__main__":
    main()
