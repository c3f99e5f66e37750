"""A run has ended: close its threads, say what recovered, what nobody told, and what warned."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow.configuration import conf

from mwaa_dbt import settings
from mwaa_dbt.alerts import deliver, state, summary, text
from mwaa_dbt.alerts.ended_run import EndedRun
from mwaa_dbt.alerts.ending import Ending, Told
from mwaa_dbt.alerts.event import Event
from mwaa_dbt.alerts.store import Pending, Store, StoreError

log = logging.getLogger(__name__)

#: A failed task's callback begins after its state is known; for so long its word is waited for.
WAIT_SECONDS = 10.0


def tell_summary(context: Mapping[str, Any]) -> None:
    """Tell how the run of `context` ended, with a summary, also if there is nothing else to say."""
    tell(context, with_summary=True)


def tell(context: Mapping[str, Any], with_summary: bool = False) -> None:
    """Tell how the run of `context` ended."""
    store = Store.of_settings()
    if store is None:
        log.info("[mwaa_dbt] bucket is not set: nothing is known of the run's alerts, so none says how it ended.")
        return
    # Less than the DAG processor gives a file, whose parsing is in it, too.
    seconds = min(120.0, conf.getfloat("dag_processor", "dag_file_processor_timeout", fallback=50.0) / 2)
    deadline = time.monotonic() + seconds
    run = EndedRun.of(context)
    facts = summary.facts(run, context) if with_summary else []
    try:
        word = _leave_word(run, store, facts)
    except StoreError as error:
        log.error("The alerts' bucket is away: %s", error)
        _tell_without(run, facts, deadline)
        return
    try:
        result = deliver.patiently(run.key, store, deadline) if word.left else deliver.Result.TOLD
        state.keep(store, run.key, word.target, run.states, word.heard, word.notes)
        if result is not deliver.Result.LEFT:
            deliver.sweep(store, deadline)
        store.delete(one.key for one in word.warnings)  # last: where S3 refuses it, nothing else is lost
    except StoreError as error:
        log.error("The alerts' bucket is away; what it holds is told later: %s", error)


@dataclass(frozen=True)
class _Word:
    """What is known of a run's end: whether an ending was `left` in the outbox, and what else is to be kept.

    `target` is the run's, empty where nobody knows it.
    """

    left: bool
    warnings: list[Pending]
    heard: dict[str, Any]
    notes: list[str]
    target: str


def _tell_without(run: EndedRun, facts: list[str], deadline: float) -> None:
    """Tell at once how `run` ended, without the bucket: as much as Airflow's states and the project's files say.

    A failed run is told in any case: a task that was killed has no other word. What warned or recovered isn't known.
    """
    events = [event for event in map(run.without_word, run.failed) if not event.silenced]
    loud = bool(facts) or (not run.success and bool(events or not run.failed))
    if not loud:
        log.error("Nobody hears how this run ended: %s.", "it succeeded" if run.success else "what failed is silenced")
        return
    failed = [f"Failed: {text.listed((event.subject for event in events), 500)}"] if events else []
    why = "The alerts' bucket can't be reached, so this is no reply in the run's thread."
    ending = _ending(run, facts=(*facts, *failed, why), loud=True)
    deliver.end_at_once(ending, deadline)


def _ending(run: EndedRun, **fields: Any) -> Ending:
    return Ending(
        dag_id=run.key.dag_id,
        run_id=run.key.run_id,
        at=time.time_ns() // 1_000_000,
        success=run.success,
        counts=dict(Counter(run.states.values())),
        **fields,
    )


def _leave_word(run: EndedRun, store: Store, facts: list[str]) -> _Word:
    """Leave the ending of `run` in the outbox, if there is something to say. Raises StoreError."""
    told, heard, silenced = _heard(run, store)
    notes = run.notes()
    before, _ = store.failing(run.key.dag_id)
    # Airflow may have nothing to say of the run; its failed tasks had.
    target = run.target or next((one["target"] for one in heard.values() if one.get("target")), "")
    known = state.known(before, target)
    warnings = store.pending(run.key, "warned")
    after = state.after(known, run.states, run.key.run_id, heard)
    mended = [name for name in {**known, **heard} if run.states.get(name) == "success"]
    refused = {name for name, one in heard.items() if one.get("refused")}
    again = [name for name in run.failed if name not in refused | silenced.keys() and after[name]["runs"] > 1]
    where = "" if target in ("", settings.target()) else f" (target {target})"
    ending = _ending(
        run,
        mended=tuple(mended),
        recovered=tuple(
            _recovered({**known, **heard}[name], known.get(name), run, where)
            for name in mended
            if name in known or name not in refused
        ),
        still=tuple(_still(after[name], where) for name in again),
        warned=tuple(_warned(warnings)),
        silenced=tuple(dict.fromkeys(silenced.values())),
        notes=tuple(dict.fromkeys([*(told.get("notes") or []), *notes])),
        facts=tuple(facts),
        loud=bool(facts or set(notes) - set(before.get("said") or [])) or not (run.success or heard),
    )
    left = bool(ending.channels() or heard.keys() - silenced.keys())
    if left:
        store.put(run.key, "ended", ending.id, ending.fields())
    return _Word(left, warnings, heard, notes, target)


def _heard(run: EndedRun, store: Store) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """Return what has been told of the run, its failures by task (told or to be told), and the silenced ones.

    A failed task of which no word came, though it was waited for, gets one.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        told = store.told(run.key)
        pending = [Event.of(one.fields) for one in store.pending(run.key, "failed")]
        heard = dict(told.get("failed") or {}) | {event.task: event.heard() for event in pending}
        silenced = dict(told.get("silenced") or {}) | {e.task: e.silenced for e in pending if e.silenced}
        quiet = [name for name in run.failed if name not in heard]
        if not quiet:
            return told, heard, silenced
        if time.monotonic() > deadline:
            break
        time.sleep(1)
    for event in map(run.without_word, quiet):
        store.put(event.run, event.kind, event.id, event.fields())
        heard[event.task] = event.heard()
        if event.silenced:
            silenced[event.task] = event.silenced
    return told, heard, silenced


def _recovered(entry: Mapping[str, Any], before: Mapping[str, Any] | None, run: EndedRun, where: str) -> Told:
    earlier = before is not None and before["run"] != run.key.run_id
    since = f", which had failed since run {before['since']}" if before and earlier else ""
    return Told(str(entry.get("channel") or ""), f"{entry['subject']}{where}{since}")


def _still(entry: Mapping[str, Any], where: str) -> Told:
    return Told(entry["channel"], f"{entry['subject']}{where}, since run {entry['since']} ({entry['runs']} runs)")


def _warned(warnings: list[Pending]) -> list[Told]:
    # Of a task that ran twice, only the last word counts.
    last = {event.task: event for event in (Event.of(one.fields) for one in warnings)}
    lines = []
    for event in last.values():
        if event.silenced:
            continue
        owner = f" ({event.route.owner})" if event.route.owner else ""
        for test in event.tests:
            lines.append(Told(event.route.channel, f"test {test.name}{owner}: {test.message}"))
        if not event.tests:
            lines.append(Told(event.route.channel, f"{event.subject}{owner}: {event.error}"))
    return lines
