"""Runs several dbt commands in one process of dbt's own virtualenv: starting dbt takes longer than most of them.

Reads a request from standard input, {"commands": [[...]], "adapter": "duckdb", "existing": null, "go_on": false}, and
writes what happened, a list with one entry per command, to the file that is the only argument. With "existing" no
warehouse is asked which tables there are: the answer is that list. It stops at the first command that fails, unless
"go_on" is true.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from dbt.adapters.base.impl import BaseAdapter
from dbt.cli.main import dbtRunner


def answer_for_the_warehouse(adapter: str, existing: list[str]) -> None:
    """Replace the one question that compiling asks a warehouse: whether the incremental table exists."""

    def get_relation(self: Any, database: str, schema: str, identifier: str) -> Any:
        if identifier not in existing:
            return None
        return self.Relation.create(database=database, schema=schema, identifier=identifier, type="table")

    BaseAdapter.get_relation = get_relation  # type: ignore[method-assign]
    plugin = importlib.import_module(f"dbt.adapters.{adapter}").Plugin
    plugin.adapter.get_relation = get_relation


def run(command: list[str]) -> dict[str, Any]:
    lines: list[str] = []
    outcome = dbtRunner(callbacks=[lambda event: lines.append(event.info.msg)]).invoke(command)
    results = getattr(outcome.result, "results", None) or []
    nodes = {r.node.unique_id: {"status": str(r.status), "message": r.message} for r in results if hasattr(r, "node")}
    error = str(outcome.exception) if outcome.exception else None
    return {"command": command, "success": outcome.success, "error": error, "lines": lines, "nodes": nodes}


def main() -> None:
    request = json.load(sys.stdin)
    if request["existing"] is not None:
        answer_for_the_warehouse(request["adapter"], request["existing"])
    outcomes: list[dict[str, Any]] = []
    for command in request["commands"]:
        outcomes.append(run(command))
        if not outcomes[-1]["success"] and not request["go_on"]:
            break
    Path(sys.argv[1]).write_text(json.dumps(outcomes))


if __name__ == "__main__":
    main()
