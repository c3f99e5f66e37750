"""What fails from run to run: a DAG's tasks that failed when they ran last, and since when.

One entry per task: `subject`, `channel`, `since` (the run it failed in first), `run` (last), `runs` (how many).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mwaa_dbt.alerts.event import RunKey
from mwaa_dbt.alerts.store import Conflict, Store

Failing = dict[str, dict[str, Any]]


def after(known: Mapping[str, Any], states: Mapping[str, str], run_id: str, heard: Mapping[str, Any]) -> Failing:
    """Return what fails after a run.

    Args:
        known: what failed before it.
        states: the states of the run's tasks. A task that didn't run (skipped, upstream failed) stays as it was; one
            that the DAG no longer has is forgotten.
        run_id: the run.
        heard: subject and channel of the run's failures, by task.
    """
    found: Failing = {}
    for name, state in states.items():
        old = known.get(name)
        if state == "failed":
            said = {key: (heard.get(name) or {}).get(key) or "" for key in ("subject", "channel")}
            said["subject"] = said["subject"] or name
            runs = 1 if old is None else old["runs"] + (old["run"] != run_id)
            found[name] = {**said, "since": old["since"] if old else run_id, "run": run_id, "runs": runs}
        elif old is not None and state != "success":
            found[name] = dict(old)
    return found if states else {name: dict(entry) for name, entry in known.items()}


def keep(store: Store, run: RunKey, states: Mapping[str, str], heard: Mapping[str, Any], notes: list[str]) -> None:
    """Keep what fails after `run`, and which `notes` have been said; anew if another run of the DAG ended meanwhile."""
    for _ in range(5):
        before, etag = store.failing(run.dag_id)
        known = before.get("failing") or {}
        content = {"failing": after(known, states, run.run_id, heard), "said": sorted(notes)}
        if content == {"failing": known, "said": before.get("said") or []}:
            return
        try:
            store.keep_failing(run.dag_id, content, etag)
        except Conflict:
            continue
        return
