"""When a node's tests run: the project's default, and what a node says of itself.

A model's ``config.meta.test_behavior`` is one of ``after_each`` (a task of their own after the node), ``build`` (in
the node's task), ``after_all`` (one task at the end of the group) and ``none``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from cosmos.constants import TestBehavior

from mwaa_dbt.errors import ManifestError

META_KEY = "test_behavior"
#: Behaviors under which a node's tests run beside it, so that its tests with several parents get a task.
BESIDE = (TestBehavior.AFTER_EACH, TestBehavior.BUILD)
#: Behaviors under which a node's tests run at all.
SOMEWHERE = (*BESIDE, TestBehavior.AFTER_ALL)


def of(unique_id: str, config: Mapping[str, Any], default: TestBehavior, file: str = "") -> TestBehavior:
    """Return when the tests of the node `unique_id` (defined in `file`) run.

    Raises:
        ManifestError: if its meta names a behavior that doesn't exist.
    """
    value = (config.get("meta") or {}).get(META_KEY)
    if value is None:
        return default
    try:
        return TestBehavior(value)
    except ValueError as error:
        allowed = ", ".join(behavior.value for behavior in TestBehavior)
        where = f"{unique_id} ({file})" if file else unique_id
        raise ManifestError(
            f"{where}: config.meta.{META_KEY} is {value!r}, but must be one of {allowed}. "
            "Correct it in the node's .yml and build the manifest again."
        ) from error


def without_unwanted_tests(
    manifest: dict[str, Any], default: TestBehavior, wanted: Collection[TestBehavior] = BESIDE
) -> dict[str, Any]:
    """Return `manifest` without the tests that no task of their own or of their node's may run.

    `wanted` are the behaviors of nodes whose tests stay.

    Cosmos decides per group, not per node, so the tests of ``none`` and ``after_all`` nodes are taken away before it
    looks. A test with several parents stays as long as one of them wants it.
    """
    nodes = manifest["nodes"]
    beside = {
        unique_id
        for unique_id, node in nodes.items()
        if node["resource_type"] != "test"
        and of(unique_id, node["config"], default, node["original_file_path"]) in wanted
    }
    kept = {
        unique_id: node
        for unique_id, node in nodes.items()
        if node["resource_type"] != "test" or _is_wanted(node["depends_on"]["nodes"], nodes, beside)
    }
    return {**manifest, "nodes": kept}


def _is_wanted(parents: list[str], nodes: Mapping[str, Any], beside: set[str]) -> bool:
    known = [parent for parent in parents if parent in nodes]
    return not known or any(parent in beside for parent in known)
