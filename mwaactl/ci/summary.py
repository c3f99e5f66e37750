"""A check as a comment for its pull request, and as data."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from mwaactl.ci.check import Check

_SHOWN = 25  # entries of a list that a comment shows


def as_data(check: Check) -> dict[str, Any]:
    """Return the check as what `--format json` prints."""
    data = asdict(check)
    data["results"] = [
        {key: one[key] for key in ("unique_id", "status", "message", "execution_time", "relation_name")}
        for one in check.results
    ]
    return {"ok": check.ok, **data}


def markdown(check: Check) -> str:
    """Return the check as Markdown."""
    lines = [f"### Slim CI: `{check.project}` against {check.environment}: {_verdict(check)}", ""]
    if check.state is None:
        lines += [
            "> **There is no production state to compare with: everything was built.** After the next successful run "
            "in production, `mwaactl manifest publish` puts it there.",
            "",
        ]
    lines += _numbers(check)
    lines += _errors(check)
    lines += _list("Changed", check.selection.changed)
    lines += _list("Removed", check.selection.removed)
    lines += _list("Built", check.selection.built)
    lines += _list("Taken from production", check.selection.deferred)
    lines += _dags(check)
    if check.left:
        lines += ["#### Left behind", "", "```", check.left, "```", ""]
    times = ", ".join(f"{name} {value:g} s" for name, value in check.seconds.items() if name != "all")
    lines.append(f"Schema `{check.schema}`{' (dropped)' if check.dropped else ''}. {times}.")
    return "\n".join(lines) + "\n"


def _verdict(check: Check) -> str:
    if check.stopped_in:
        return "failed"
    if check.left:
        return "built, but its schemas could not be dropped"
    return "nothing to build" if check.selection.empty else "passed"


def _numbers(check: Check) -> list[str]:
    by_status: dict[str, int] = {}
    for one in check.results:
        if one["unique_id"].startswith(("test.", "unit_test.")):
            by_status[one["status"]] = by_status.get(one["status"], 0) + 1
    tests = ", ".join(f"{count} {status}" for status, count in sorted(by_status.items())) or "none run"
    good = [
        one
        for one in check.results
        if one["status"] == "success" and not one["unique_id"].startswith(("test.", "unit_test."))
    ]
    built = 0 if check.stopped_in == "empty" else len(good)
    chosen = check.selection
    return [
        "| changed | built | from production | tests | seconds |",
        "|---|---|---|---|---|",
        f"| {len(chosen.changed)} | {built} of {len(chosen.built)} | {len(chosen.deferred)} | {tests} "
        f"| {check.seconds.get('all', 0):g} |",
        "",
    ]


def _errors(check: Check) -> list[str]:
    if not check.stopped_in:
        return []
    where = {"empty": "SQL that the warehouse refuses (found on empty tables)", "clone": "Cloning", "build": "Build"}
    return [f"#### {where[check.stopped_in]}", "", "```", check.error[:8000].replace("```", "'''"), "```", ""]


def _dags(check: Check) -> list[str]:
    changes = check.dags
    if changes is None:
        return []
    if not (changes.added or changes.removed or changes.moved or changes.notes):
        return ["The DAGs keep their tasks, and every test its place.", ""]
    lines = ["#### In the DAGs", ""]
    lines += [f"- {note}" for note in changes.notes]
    lines += [f"- new task `{task}`" for task in _some(changes.added)]
    lines += [f"- task gone: `{task}`" for task in _some(changes.removed)]
    moved = [f"- test `{test}` moves from `{old}` to `{new}`" for test, (old, new) in changes.moved.items()]
    return [*lines, *_some(moved), ""]


def _list(title: str, unique_ids: Sequence[str]) -> list[str]:
    if not unique_ids:
        return []
    entries = [f"- `{one}`" for one in _some(unique_ids)]
    return [f"<details><summary>{title} ({len(unique_ids)})</summary>", "", *entries, "", "</details>", ""]


def _some(entries: Sequence[str]) -> list[str]:
    more = len(entries) - _SHOWN
    return [*entries[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]
