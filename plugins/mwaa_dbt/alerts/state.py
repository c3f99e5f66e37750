"""What fails from run to run: a DAG's tasks that failed when they ran last in a dbt target, and since when.

The DAG's document has `said`, the notes that have been told, and `targets`: by target and task one entry each, with
`subject`, `channel`, `since` (the run it failed in first), `run` (last), `runs` (how many).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mwaa_dbt import settings
from mwaa_dbt.alerts.event import RunKey
from mwaa_dbt.alerts.store import Conflict, Store

Failing = dict[str, dict[str, Any]]


def by_target(doc: Mapping[str, Any]) -> dict[str, Failing]:
    """Return what `doc` (Store.failing) says is failing, by target.

    A document from before targets were told apart has no `targets` but `failing`, by task: it counts as the default
    target's, in which runs are that name none.
    """
    old = {settings.target(): doc["failing"]} if doc.get("failing") else {}
    return dict(doc.get("targets", old))


def known(doc: Mapping[str, Any], target: str) -> Failing:
    """Return what `doc` says is failing in `target`; nothing where `target` is empty: nobody knows it."""
    return by_target(doc).get(target) or {}


def after(before: Mapping[str, Any], states: Mapping[str, str], run_id: str, heard: Mapping[str, Any]) -> Failing:
    """Return what fails after a run, in its target.

    Args:
        before: what failed before it, in the same target.
        states: the states of the run's tasks. A task that didn't run (skipped, upstream failed) stays as it was; one
            that the DAG no longer has is forgotten.
        run_id: the run.
        heard: the run's failures, by task (Event.heard). A refused form is none of the task's: it stays as it was.
    """
    found: Failing = {}
    for name, state in states.items():
        old = before.get(name)
        refused = bool((heard.get(name) or {}).get("refused"))
        if state == "failed" and not refused:
            said = {key: (heard.get(name) or {}).get(key) or "" for key in ("subject", "channel")}
            said["subject"] = said["subject"] or name
            runs = 1 if old is None else old["runs"] + (old["run"] != run_id)
            found[name] = {**said, "since": old["since"] if old else run_id, "run": run_id, "runs": runs}
        elif old is not None and state != "success":
            found[name] = dict(old)
    return found if states else {name: dict(entry) for name, entry in before.items()}


def keep(
    store: Store, run: RunKey, target: str, states: Mapping[str, str], heard: Mapping[str, Any], notes: list[str]
) -> None:
    """Keep what fails after `run`, and which `notes` have been said; anew if another run of the DAG ended meanwhile.

    Where nobody knows its `target` (empty), only the notes are kept. Raises StoreError.
    """
    for _ in range(5):
        before, etag = store.failing(run.dag_id)
        old = by_target(before)
        new = {**old, target: after(known(before, target), states, run.run_id, heard)} if target else old
        content = {"targets": {name: failing for name, failing in new.items() if failing}, "said": sorted(notes)}
        if content == {"targets": old, "said": before.get("said") or []}:
            return
        try:
            store.keep_failing(run.dag_id, content, etag)
        except Conflict:
            continue
        return
