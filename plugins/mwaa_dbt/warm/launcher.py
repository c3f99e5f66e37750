"""dbt's own command line in this process, without what nobody uses (lean.py). Runs inside dbt's virtualenv.

As a script it is the plain way: `python launcher.py run --select ...`. The warm server calls `run` in a forked child.
Standard input (plain) or the request's socket (warm) stands for the task: when it ends, the task is gone, and dbt ends.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from typing import Any

import hooks

GRACE = 10.0  # seconds for dbt to cancel its queries once its task is gone


def die_with(fd: int) -> None:
    """End this process and its group when the other end of `fd` closes: first as Ctrl-C would, then at once.

    A byte that comes before says that the Ctrl-C has been sent: a second would keep dbt from cancelling its queries.
    """

    def watch() -> None:
        told = 0.0
        while True:
            select.select([fd], [], [])
            if not os.read(fd, 4096):
                break
            told = told or time.monotonic()
        quiet = os.open(os.devnull, os.O_WRONLY)  # nobody reads the lines any more
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        if not told:
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(max(0.0, (told or time.monotonic()) + GRACE - time.monotonic()))
        os.killpg(0, signal.SIGKILL)

    # A name of its own: dbt's threads keep their numbers, which run_results.json shows.
    threading.Thread(target=watch, name="task-watch", daemon=True).start()


def run(args: list[str], manifest: Any = None) -> int:
    """Run one dbt command and return its exit status, as the `dbt` executable would."""
    from dbt.cli.main import cli

    if why := hooks.refused():
        print(why)
        return 2
    sys.argv = ["dbt", *args]  # run_results.json quotes it
    try:
        cli.main(args, prog_name="dbt", obj={"manifest": manifest} if manifest is not None else None)
    except SystemExit as e:
        if e.code is None or isinstance(e.code, int):
            return e.code or 0
        print(e.code, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    import deployed
    import lean

    sys.path.pop(0)  # this directory: its module names are nobody else's business
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    die_with(0)
    # The two commands exist to write what the others needn't; the variable is [mwaa_dbt] artifacts = all.
    if sys.argv[1:2] not in (["parse"], ["docs"]) and "MWAA_DBT_ALL_ARTIFACTS" not in os.environ:
        lean.apply()
    deployed.apply()
    hooks.apply()
    sys.exit(run(sys.argv[1:]))
