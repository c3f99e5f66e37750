"""The render manifest: the few keys of dbt's manifest.json that a DAG is rendered from.

dbt's manifest of 1,000 models is 10 MB, of which Cosmos reads a tenth (cosmos/dbt/graph.py,
``_build_dbt_node_from_manifest_resource``). The cut is made once, when the manifest is built, one node a line, so
that it is small, diffs well, and one node of it can be found without reading the others.

Standard library only: mwaactl makes the cut without Airflow.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FILE_NAME = "render_manifest.json"
#: Folder below a dbt project that `mwaactl manifest build` fills.
BUILD_FOLDER = "build"
FORMAT = 2

_RENDERED = ("model", "seed", "snapshot", "test")
_NODE_KEYS = ("resource_type", "package_name", "original_file_path", "fqn", "tags")
# What Cosmos and its selectors read of a node's config (cosmos/dbt/selector.py:24), and what this library reads.
_CONFIG_KEYS = ("materialized", "schema", "tags", "meta", "severity")


def cut(manifest: dict[str, Any], fingerprint: str = "") -> dict[str, Any]:
    """Return the render manifest of dbt's `manifest` (the parsed manifest.json).

    `fingerprint` says which source files it was made from; release checks compare it.
    """
    metadata = manifest["metadata"]
    owners = _group_owners(manifest)
    return {
        "metadata": {
            "format": FORMAT,
            "project_name": metadata["project_name"],
            "dbt_version": metadata["dbt_version"],
            "fingerprint": fingerprint,
            # Here, on the first line: a worker that needs one node reads no other.
            "hooks": sorted({tag for node in manifest["nodes"].values() for tag in _hook_tags(node)}),
        },
        "nodes": {
            unique_id: _cut_node(node, owners)
            for unique_id, node in sorted(manifest["nodes"].items())
            if node["resource_type"] in _RENDERED
        },
        "sources": {
            unique_id: {**_cut_node(node, owners), "freshness": node.get("freshness")}
            for unique_id, node in sorted(manifest["sources"].items())
        },
        "selectors": manifest.get("selectors") or {},
    }


def _hook_tags(node: dict[str, Any]) -> list[str]:
    # dbt makes an operation of each hook, tagged on-run-start or on-run-end (dbt/parser/hooks.py).
    return node.get("tags") or [] if node["resource_type"] == "operation" else []


def _group_owners(manifest: dict[str, Any]) -> dict[tuple[str, str], str]:
    """Return the owner of each of dbt's groups, by package and name."""
    found = {}
    for group in (manifest.get("groups") or {}).values():
        owner = group.get("owner") or {}
        if name := owner.get("name") or owner.get("email"):
            found[group["package_name"], group["name"]] = str(name)
    return found


def _cut_node(node: dict[str, Any], owners: dict[tuple[str, str], str]) -> dict[str, Any]:
    config = node.get("config") or {}
    group = node.get("group") or config.get("group")
    meta = config.get("meta") or {}
    if not meta.get("owner") and (owner := owners.get((node.get("package_name") or "", group or ""))):
        # To Airflow, Cosmos and alerts an owner is `meta.owner`.
        config = {**config, "meta": {**meta, "owner": owner}}
    return {
        **{key: node.get(key) for key in _NODE_KEYS},
        "depends_on": {"nodes": (node.get("depends_on") or {}).get("nodes", [])},
        "config": {key: config[key] for key in _CONFIG_KEYS if config.get(key)},
    }


def dumps(render_manifest: dict[str, Any]) -> str:
    """Return the text of `render_manifest`: JSON, one node a line, the same for the same content."""
    return "".join(_lines(render_manifest))


def _lines(render_manifest: dict[str, Any]) -> Iterator[str]:
    yield "{" + f'"metadata": {json.dumps(render_manifest["metadata"], sort_keys=True)},\n'
    for section in ("nodes", "sources"):
        yield f'"{section}": {{\n'
        entries = [f"{json.dumps(key)}: {json.dumps(node)}" for key, node in render_manifest[section].items()]
        yield ",\n".join(entries)
        yield "\n},\n"
    yield f'"selectors": {json.dumps(render_manifest["selectors"], sort_keys=True)}' + "}\n"


def parse_name(target: str) -> str:
    """Return the name in the build folder of dbt's parse of the project for `target` (warm/deployed.py)."""
    return f"partial_parse.{target}.msgpack"


def path_of(project_dir: Path) -> Path:
    """Return where the render manifest of the dbt project in `project_dir` lies."""
    return project_dir / BUILD_FOLDER / FILE_NAME
