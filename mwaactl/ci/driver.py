"""Runs dbt commands one after another in one process of dbt's virtualenv: starting dbt takes longer than most of them.

Knows nothing but the standard library and dbt. Reads a JSON list of arguments per line on standard input. Answers on
what was standard output, a JSON object per line: {"said": text, "level": level} for dbt's own lines, then, when the
command has ended, {"ended": {"success": bool, "error": text or null, "listed": [...] (for `dbt ls`)}}.
"""

import json
import os
import signal
import sys
from typing import Any


def main() -> None:
    """Serve until standard input ends."""
    # It is how a check ends dbt. A command that a script starts with `&` ignores it, and so would this process.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    answers = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)  # what dbt or an adapter prints is no answer

    def answer(content: dict[str, Any]) -> None:
        answers.write(json.dumps(content) + "\n")

    from dbt.cli.main import dbtRunner

    def heard(event: Any) -> None:
        if event.info.level in ("info", "warn", "error"):
            answer({"said": event.info.msg, "level": event.info.level})

    runner = dbtRunner(callbacks=[heard])
    for line in sys.stdin:
        outcome = runner.invoke(json.loads(line))
        listed = outcome.result if isinstance(outcome.result, list) else []
        error = str(outcome.exception) if outcome.exception else None
        answer({"ended": {"success": outcome.success, "error": error, "listed": [str(one) for one in listed]}})


if __name__ == "__main__":
    main()
