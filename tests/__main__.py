"""`python -m tests [--no-long]`: all tests, unit tests beside end-to-end tests.

End-to-end tests share one environment, so they come one by one, and mostly wait for Airflow. Meanwhile the unit tests
get what is left of the processors; their output comes afterwards, what is in it so far is in .local/unit-tests.log.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from mwaactl.local.layout import REPOSITORY

LOG = REPOSITORY / ".local" / "unit-tests.log"
_PYTEST = [sys.executable, "-m", "pytest", "--durations=20"]
#: What the tests of a file share is made once, so they stay together.
UNIT = ["nice", "-n", "19", *_PYTEST, "-n", "2", "--dist", "loadfile"]


def run(unit: list[str], end_to_end: list[str], log: Path) -> int:
    """Run both commands at once; print what `unit` printed after `end_to_end` has ended. Return the exit status.

    Ctrl-C reaches both, as all of a terminal's processes; they are waited for, and the status is a shell's, 130.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        beside = subprocess.Popen(unit, stdout=output, stderr=subprocess.STDOUT)
    seen = subprocess.Popen(end_to_end)
    try:
        seen.wait()
        _follow(log, beside)
    except KeyboardInterrupt:
        print("Interrupted: the tests take down what they started.", file=sys.stderr)
        seen.wait()
        beside.wait()
        return 130
    return seen.returncode or beside.returncode


def _follow(log: Path, process: subprocess.Popen[bytes]) -> None:
    with log.open() as lines:
        while True:
            ended = process.poll() is not None
            sys.stdout.write(lines.read())
            sys.stdout.flush()
            if ended:
                return
            time.sleep(0.2)


def main() -> int:
    """Run all tests."""
    parser = argparse.ArgumentParser(prog="python -m tests", description=__doc__)
    parser.add_argument("--no-long", action="store_true", help="without those that take long")
    without = " and not long" if parser.parse_args().no_long else ""
    print(f"Unit tests run beside the end-to-end tests. Their output comes afterwards; so far: {LOG}", flush=True)
    return run([*UNIT, "-m", f"not end_to_end{without}"], [*_PYTEST, "-m", f"end_to_end{without}"], LOG)


if __name__ == "__main__":
    sys.exit(main())
