"""What a pull request changes, from two manifests and from what dbt lists."""

import json
from dataclasses import dataclass, field
from typing import Any

from mwaactl.ci.runner import Dbt

_BUILT = ("model", "seed", "snapshot")
_KINDS = (*_BUILT, "test", "unit_test", "source")
_IDS = ("--output", "json", "--output-keys", "unique_id")


@dataclass(frozen=True)
class Selection:
    """Unique ids, sorted: what was changed, what is built and tested, what comes from production, what is gone.

    `clones` are dbt's selectors of what among `built` begins as a copy of production's: incremental models, snapshots.
    """

    changed: list[str]
    built: list[str]
    tests: list[str]
    deferred: list[str]
    removed: list[str]
    clones: list[str] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to build and nothing to test."""
        return not self.built and not self.tests


def choose(dbt: Dbt, head: dict[str, Any], state: dict[str, Any] | None, state_args: list[str]) -> Selection:
    """Return what the project with the manifest `head` changes against `state`; everything, if there is none."""

    def listed(*selection: str) -> list[str]:
        found = dbt.must("ls", *selection, *_IDS).listed
        return sorted(json.loads(one)["unique_id"] for one in found)

    if state is None:
        chosen = listed()
        changed = [one for one in chosen if _kind(one) in _BUILT]
    else:
        chosen = listed("--select", "state:modified+", *state_args)
        # The nodes themselves, without the tests that hang on them.
        modified = listed("--select", "state:modified", "--indirect-selection", "empty", *state_args)
        changed = [one for one in modified if _kind(one) in _KINDS]
    built = [one for one in chosen if _kind(one) in _BUILT and not _ephemeral(head, one)]
    tests = [one for one in chosen if _kind(one) in ("test", "unit_test")]
    return Selection(
        changed=changed,
        built=built,
        tests=tests,
        deferred=_deferred(head, state, chosen) if state else [],
        removed=sorted(
            one for one in (state or {}).get("nodes", ()) if _kind(one) in _BUILT and one not in head["nodes"]
        ),
        clones=[
            f"fqn:{'.'.join(head['nodes'][one]['fqn'])}"
            for one in built
            if state and _begins_as_clone(head, state, one)
        ],
    )


def _kind(unique_id: str) -> str:
    return unique_id.split(".", 1)[0]


def _ephemeral(manifest: dict[str, Any], unique_id: str) -> bool:
    return bool(manifest["nodes"][unique_id]["config"].get("materialized") == "ephemeral")


def _deferred(head: dict[str, Any], state: dict[str, Any], chosen: list[str]) -> list[str]:
    """Return the unchosen nodes that production has and something chosen reads, through ephemeral models as well."""
    found: set[str] = set()
    new = set(chosen)
    while new:
        parents = {
            parent
            for one in new
            for parent in (head["nodes"].get(one) or head["unit_tests"].get(one, {}))
            .get("depends_on", {})
            .get("nodes", ())
            if _kind(parent) in _BUILT and parent not in chosen and parent not in found and parent in state["nodes"]
        }
        found |= parents
        new = {one for one in parents if one in head["nodes"] and _ephemeral(head, one)}
    return sorted(one for one in found if not _ephemeral(state, one))


def _begins_as_clone(head: dict[str, Any], state: dict[str, Any], unique_id: str) -> bool:
    """Whether the node keeps rows from run to run, production has it, and the warehouse clones tables."""
    adapter = head["metadata"]["adapter_type"]
    # dbt's own answer to the question: adapters that can have a macro of this name (dbt/include/global_project/macros/
    # materializations/models/clone/can_clone_table.sql).
    can = any(one.endswith(f".{adapter}__can_clone_table") for one in head["macros"])
    kept = head["nodes"][unique_id]["config"].get("materialized") in ("incremental", "snapshot")
    return can and kept and unique_id in state["nodes"]
