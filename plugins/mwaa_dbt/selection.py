"""dbt's selection syntax, resolved on the rendered graph by Cosmos' own selector."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from cosmos.constants import DbtResourceType
from cosmos.dbt.graph import DbtNode
from cosmos.dbt.selector import select_nodes
from cosmos.exceptions import CosmosValueError

from mwaa_dbt.errors import SelectionError

#: What Cosmos resolves from a manifest (cosmos/dbt/selector.py); state:, result: and the like need dbt itself.
METHODS = ("tag", "path", "fqn", "source", "package", "resource_type")
_ROOT = Path("/")
_ATOM = re.compile(r"(?P<before>@|[0-9]*\+)?(?P<core>.*?)(?P<after>\+[0-9]*)?")


def resolve(nodes: Mapping[str, DbtNode], project_dir: Path, select: Iterable[str], exclude: Iterable[str]) -> set[str]:
    """Return the unique ids of what `select` names (everything, if empty) without what `exclude` names.

    A test belongs to what is selected, or excluded, if it or one of its parents does (dbt's eager indirect selection).

    Raises:
        SelectionError: if a term isn't supported or names nothing.
    """
    # Cosmos compares names with every folder of a file's absolute path: leave only the folders of the project.
    nodes = {unique_id: replace(node, path_base=_ROOT) for unique_id, node in nodes.items()}
    selected = set(nodes)
    if terms := tuple(select):
        selected = set().union(*(_of_term(term, nodes, project_dir.name) for term in terms))
        selected |= {test for test, node in _tests(nodes) if selected.intersection(node.depends_on)}
    excluded: set[str] = set().union(*(_of_term(term, nodes, project_dir.name) for term in exclude))
    excluded |= {test for test, node in _tests(nodes) if excluded.intersection(node.depends_on)}
    return selected - excluded


def _tests(nodes: Mapping[str, DbtNode]) -> Iterable[tuple[str, DbtNode]]:
    return ((unique_id, node) for unique_id, node in nodes.items() if node.resource_type == DbtResourceType.TEST)


def _of_term(term: str, nodes: Mapping[str, DbtNode], project: str) -> set[str]:
    # Each atom by itself: Cosmos would evaluate an exclude on the selected nodes only (selector.py:1445), dbt on all;
    # and of an intersection with a bare name in it, Cosmos takes a part for the whole, or refuses it.
    found = set.intersection(*(_of_atom(atom, term, nodes, project) for atom in term.split(",")))
    if not found:
        raise SelectionError(f"{term!r} selects none of the {len(nodes)} nodes of the project {project}.")
    return found


def _of_atom(atom: str, term: str, nodes: Mapping[str, DbtNode], project: str) -> set[str]:
    _check_atom(atom, term, nodes, project)
    try:
        return set(select_nodes(project_dir=_ROOT, nodes=dict(nodes), select=[atom]))
    except CosmosValueError as error:
        raise SelectionError(f"{term!r} can't be resolved: {error}") from error


def _check_atom(atom: str, term: str, nodes: Mapping[str, DbtNode], project: str) -> None:
    match = _ATOM.fullmatch(atom)
    core = match["core"] if match else ""
    method, colon, _ = core.partition(":")
    if colon:
        if method not in METHODS and not method.startswith("config."):
            raise SelectionError(
                f"{term!r}: the method {method!r} can't be resolved on the rendered graph. Methods that can: "
                f"{', '.join(METHODS)}, config.materialized, config.schema, config.tags, config.meta."
            )
        return
    # Cosmos would take any folder of the absolute path for a bare name (selector.py:735); dbt takes parts of the fqn.
    names = {part for node in nodes.values() for part in (node.fqn or [])} | {node.name for node in nodes.values()}
    if core not in names:
        near = difflib.get_close_matches(core, names, n=3)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise SelectionError(
            f"{term!r}: there is no node, folder or package named {core!r} in the project {project}.{hint}"
        )
