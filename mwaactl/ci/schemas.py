"""A pull request's schemas: how they are called, and that they are nobody else's."""

import re
from collections.abc import Iterable
from typing import Any

from mwaactl.errors import Problem

_FORM = re.compile(r"(pr|ci)_[a-z0-9_]{1,50}")
_BUILT = ("model", "seed", "snapshot")


def name(pull_request: int | None, schema: str | None) -> str:
    """Return the schema of a pull request's number (pr_123), or `schema` as it is given.

    Raises Problem when there is neither, or when it doesn't begin with pr_ or ci_: it is dropped at the end, so it must
    not be able to hold anything else.
    """
    chosen = schema or (f"pr_{pull_request}" if pull_request is not None else "")
    if not _FORM.fullmatch(chosen):
        raise Problem(
            f"{chosen!r} can't be the schema of a pull request." if chosen else "Which pull request is it?",
            "Give --pull-request 123, or --schema with a name that begins with ci_ or pr_ (lower case, digits, _).",
            2,
        )
    return chosen


def belongs(schema: str, to: str) -> bool:
    """Return whether `schema` is one of the pull request's schemas: `to`, or `to`_..."""
    return schema.lower() == to or schema.lower().startswith(f"{to}_")


def databases(manifest: dict[str, Any]) -> list[str]:
    """Return the databases that the project's nodes are built in."""
    return sorted({node["database"] for node in _built(manifest) if node.get("database")})


def check(schema: str, head: dict[str, Any], state: dict[str, Any] | None) -> None:
    """Check that whatever the pull request builds lies in its own schemas, and nothing of production does.

    `head` and `state` are dbt's manifests. Raises Problem before anything was built.
    """
    outside = [node for node in _built(head) if not belongs(node["schema"], schema)]
    if outside:
        places = "\n".join(f"  {node['unique_id']} -> {node['schema']}" for node in outside[:10])
        more = f"\n  and {len(outside) - 10} more" if len(outside) > 10 else ""
        raise Problem(
            f"These nodes would not be built in schemas of the pull request ({schema}, {schema}_...):\n{places}{more}",
            "Let the project's macro generate_schema_name go by MWAACTL_CI_SCHEMA, and use no target_schema; "
            "docs/slim-ci.md has the macro.",
        )
    theirs = [*head["sources"].values(), *(_built(state) if state else ())]
    taken = sorted({node["schema"] for node in theirs if belongs(node["schema"], schema)})
    if taken:
        raise Problem(
            f"Production itself has the schemas {', '.join(taken)}, which a check of {schema} would drop.",
            "Choose another name with --schema.",
        )


def _built(manifest: dict[str, Any]) -> Iterable[dict[str, Any]]:
    for node in manifest["nodes"].values():
        kept = node["resource_type"] == "test" and node["config"].get("store_failures")
        ephemeral = node["config"].get("materialized") == "ephemeral"
        if kept or (node["resource_type"] in _BUILT and not ephemeral):
            yield node
