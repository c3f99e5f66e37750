"""From Airflow's context to an event: which node, what dbt said, whose it is, whether it is silenced."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mwaa_dbt.alerts import owners, run_target, silences
from mwaa_dbt.alerts.event import Event, FailedTest, Route, RunKey
from mwaa_dbt.causes import Cause
from mwaa_dbt.compat import redact
from mwaa_dbt.errors import SelectionError
from mwaa_dbt.results import NodeResult, Outcome

LOST = "The task was killed or lost, so nobody heard dbt's word; its log may say more."


#: An event is written, read and sent as a whole: characters of a text, and tests that are told with their query.
_MAX_TEXT, _MAX_QUERIES = 8000, 20


def failure(context: Mapping[str, Any]) -> Event:
    """Return the event of the failed task in `context`; without an exception it was killed or lost."""
    exception = context.get("exception")
    outcome: Outcome | None = getattr(exception, "outcome", None)
    failed = outcome.failed_nodes if outcome is not None else ()
    if outcome is not None:
        text = "\n".join(filter(None, (outcome.error_text(), outcome.hint())))
    else:
        text = str(exception) if exception else LOST
    event = _event("failed", context, failed, text or type(exception).__name__, lost=exception is None)
    tries = _tries(getattr(exception, "cause", None), event.try_number)
    return replace(event, tries=tries, refused=isinstance(exception, SelectionError))


def _tries(cause: Cause | None, number: int) -> str:
    if cause is None:
        return ""
    if not cause.passes:
        return f"not again, it would only fail again: {cause.name}"
    return f"{'once' if number < 2 else f'{number} times'}: {cause.name}"


def warning(context: Mapping[str, Any], outcome: Outcome) -> Event:
    """Return the event of a task that succeeded with warnings."""
    warned = tuple(node for node in outcome.nodes if node.warned)
    return _event("warned", context, warned, "\n".join(f"{node.name}: {node.message}" for node in warned))


def without_word(task: Any, run: RunKey, name: str, text: str, form: Mapping[str, Any]) -> Event:
    """Return the event of a failed task of which no callback told.

    `name` is how Airflow names its state; `form` is what run_target.py reads.
    """
    context = {**form, "task": task, "task_id": name, "dag_id": run.dag_id, "run_id": run.run_id}
    # A task may be killed without a word, cleared, and killed again: two things to tell.
    return replace(_event("failed", context, (), text, lost=True), instance=str(time.time_ns() // 1_000_000))


def _event(
    kind: str, context: Mapping[str, Any], nodes: tuple[NodeResult, ...], text: str, *, lost: bool = False
) -> Event:
    ti, task = context.get("ti"), context.get("task")
    node = (getattr(task, "extra_context", None) or {}).get("dbt_node_config") or {}
    folder = getattr(task, "project_dir", None)
    project_dir = Path(folder) if folder else None
    route, problems = _route(task, node, nodes, project_dir)
    task_id = str(context.get("task_id") or getattr(ti, "task_id", "") or getattr(task, "task_id", ""))
    silence = None
    if project_dir is not None:
        known, wrong = silences.read(project_dir)
        problems += wrong
        silence = _silence(known, task_id, node, nodes)
    map_index = getattr(ti, "map_index", None)
    return Event(
        kind=kind,
        dag_id=str(context.get("dag_id") or getattr(ti, "dag_id", "")),
        run_id=str(context.get("run_id") or getattr(ti, "run_id", "")),
        task_id=task_id,
        subject=_subject(task_id, node, nodes),
        error=_safe(text),
        map_index=-1 if map_index is None else map_index,
        try_number=getattr(ti, "try_number", None) or 0,
        instance=str(getattr(ti, "id", None) or ""),
        log_url=str(getattr(ti, "log_url", "") or ""),
        file=str(node.get("original_file_path") or ""),
        target=run_target.of_task(task, context),
        run_target=run_target.of_run(context),
        lost=lost,
        tests=_tests([result for result in nodes if result.is_test]),
        route=route,
        silenced=silence.words if silence else "",
        problems=tuple(problems),
    )


def _route(
    task: Any, node: Mapping[str, Any], nodes: tuple[NodeResult, ...], project_dir: Path | None
) -> tuple[Route, list[str]]:
    # A test's own owner comes before its model's; `meta.owner` of the render manifest holds a group's owner, too.
    owner = next(filter(None, (_owner_of(result.unique_id, project_dir) for result in nodes)), "")
    owner = owner or str(((node.get("config") or {}).get("meta") or {}).get("owner") or "")
    if owner:
        return owners.route(owner, project_dir)
    # Airflow's owner is the DAG's: worth a route, but no gap in the file if it has none.
    owner = str(getattr(task, "owner", "") or "")
    route, problems = owners.route(owner, project_dir)
    return (Route(owner=owner) if route.unknown else route), problems


def _owner_of(unique_id: str, project_dir: Path | None) -> str:
    if project_dir is None:
        return ""
    from mwaa_dbt import manifest, render_manifest
    from mwaa_dbt.errors import ManifestError

    try:
        nodes = manifest.load(render_manifest.path_of(project_dir), project_dir.name)["nodes"]
    except ManifestError:
        return ""
    config = (nodes.get(unique_id) or {}).get("config") or {}
    return str((config.get("meta") or {}).get("owner") or "")


def _silence(
    known: list[silences.Silence], task_id: str, node: Mapping[str, Any], nodes: tuple[NodeResult, ...]
) -> silences.Silence | None:
    about = {task_id, str(node.get("name") or ""), str(node.get("unique_id") or "")}
    if found := silences.of(about, known):
        return found
    # Of a task about several nodes, each one that failed has to be silenced.
    each = [silences.of((result.unique_id, result.name.partition(" ")[2]), known) for result in nodes]
    return each[0] if each and all(each) else None


def _subject(task_id: str, node: Mapping[str, Any], nodes: tuple[NodeResult, ...]) -> str:
    if nodes:
        return nodes[0].name if len(nodes) == 1 else f"{nodes[0].name} and {len(nodes) - 1} more"
    if node.get("name"):
        return f"{node.get('resource_type', 'node')} {node['name']}"
    return f"task {task_id}"


def _tests(results: list[NodeResult]) -> tuple[FailedTest, ...]:
    told = []
    for number, result in enumerate(results):
        table = result.relation_name
        query = f"select * from {table}" if table else result.compiled_code.strip()  # noqa: S608 - shown, not run
        name = result.name.partition(" ")[2]
        shown = _safe(query) if number < _MAX_QUERIES else ""
        told.append(FailedTest(name, _safe(result.message, 500), result.failures, shown))
    return tuple(told)


def _safe(text: str, size: int = _MAX_TEXT) -> str:
    # Masked first: a secret that is cut in two would not be known any more. Far more than is shown need not be masked.
    return str(redact(text[: 4 * size]))[:size]
