"""dbt's selection syntax, resolved on the rendered graph.

Cosmos' selector finds the nodes of a method and its value (`tag:daily`). Names, files, + and @, commas and tests are
done here: there Cosmos differs from dbt (docs/decisions/selection-by-first-task.md).
"""

from __future__ import annotations

import difflib
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from cosmos.constants import DbtResourceType
from cosmos.dbt.graph import DbtNode
from cosmos.dbt.selector import select_nodes

from mwaa_dbt.errors import SelectionError
from mwaa_dbt.run_form import METHODS

_BY_COSMOS = re.compile(r"tag|path|source|package|resource_type|config\.(materialized|schema|tags|meta(\.\w+)+)")
# As dbt takes a term apart (dbt/graph/selector_spec.py).
_ATOM = re.compile(
    r"(?P<at>@)?((?P<before>[0-9]*)\+)?((?P<method>[\w.]+):)?(?P<value>.*?)(\+(?P<after>[0-9]*))?", re.DOTALL
)
_ROOT = Path("/")


def resolve(nodes: Mapping[str, DbtNode], project_dir: Path, select: Iterable[str], exclude: Iterable[str]) -> set[str]:
    """Return the unique ids of what `select` names (everything, if empty) without what `exclude` names.

    A test belongs to what is selected, or excluded, if it or one of its parents does (dbt's eager indirect selection).

    Raises:
        SelectionError: if a term isn't supported or names nothing.
    """
    graph = _Graph(nodes, project_dir.name)
    selected = set(nodes)
    if terms := tuple(select):
        selected = set().union(*(graph.term(term, alone=True) for term in terms))
    return selected.difference(*(graph.term(term) for term in exclude))


class _Graph:
    """The nodes of `project`, and what terms of dbt's syntax select of them."""

    def __init__(self, nodes: Mapping[str, DbtNode], project: str) -> None:
        self._nodes = nodes
        self._project = project
        self._parents = {key: [parent for parent in node.depends_on if parent in nodes] for key, node in nodes.items()}
        self._children: dict[str, list[str]] = defaultdict(list)
        for key, parents in self._parents.items():
            for parent in parents:
                self._children[parent].append(key)
        # Cosmos compares folders with the absolute path, and gives tests the tags of their first parent in place of
        # their own (cosmos/dbt/selector.py, _should_include_node): it gets neither.
        self._for_cosmos = {key: replace(node, path_base=_ROOT, depends_on=[]) for key, node in nodes.items()}

    def term(self, term: str, alone: bool = False) -> set[str]:
        """Return what `term` selects, each part of it with its tests; `alone`: what it names is to run by itself."""
        found = set.intersection(*(self._with_tests(self._part(part, term, alone)) for part in term.split(",")))
        if not found:
            raise SelectionError(
                f"{term!r} selects none of the {len(self._nodes)} nodes of the project {self._project}."
            )
        return found

    def _with_tests(self, found: set[str]) -> set[str]:
        children = (child for key in found for child in self._children[key])
        return found | {child for child in children if _is_test(self._nodes[child])}

    def _part(self, part: str, term: str, alone: bool) -> set[str]:
        match = _ATOM.fullmatch(part)
        if match is None or not match["value"]:
            raise SelectionError(
                f"{term!r}: there is nothing to look for in {part!r}; write <method>:<value> or a name."
            )
        if match["at"] and match["after"] is not None:
            raise SelectionError(f"{term!r}: @ takes what comes after, too; leave out the + at the end.")
        found = self._named(match["method"], match["value"], term, alone)
        before, after = (math.inf if depth == "" else int(depth or 0) for depth in match.group("before", "after"))
        if match["at"]:
            found = found | _walk(found, self._children, math.inf)
            before = math.inf
        return found | _walk(found, self._parents, before) | _walk(found, self._children, after)

    def _named(self, method: str | None, value: str, term: str, alone: bool) -> set[str]:
        if method is None:
            method = "path" if "/" in value else "file" if value.lower().endswith((".sql", ".py", ".csv")) else "fqn"
        if method == "fqn":
            return self._by_name(value, term, alone)
        if method == "file":
            files = {key: node.original_file_path for key, node in self._nodes.items()}
            return {
                key for key, file in files.items() if fnmatchcase(file.name, value) or fnmatchcase(file.stem, value)
            }
        if not _BY_COSMOS.fullmatch(method):
            raise SelectionError(
                f"{term!r}: the method {method!r} can't be resolved on the rendered graph. Methods that can: {METHODS}."
            )
        if "*" in value.removesuffix("/*"):
            raise SelectionError(f"{term!r}: * can stand in names and files only, not in a value of {method!r}.")
        if method == "path":
            _check_path(value, term)
        try:
            return set(select_nodes(project_dir=_ROOT, nodes=self._for_cosmos, select=[f"{method}:{value}"]))
        except ValueError as error:
            raise SelectionError(f"{term!r} can't be resolved: {error}") from error

    def _by_name(self, name: str, term: str, alone: bool) -> set[str]:
        found = {key for key, node in self._nodes.items() if _is_called(node, name)}
        if not found:
            known = {part for node in self._nodes.values() if not _is_source(node) for part in (node.fqn or [])}
            near = difflib.get_close_matches(name, known, n=3)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            raise SelectionError(
                f"{term!r}: there is no node, folder or package named {name!r} in the project {self._project}.{hint}"
            )
        if alone and all(_is_test(self._nodes[key]) and len(self._nodes[key].depends_on) == 1 for key in found):
            # A node's own tests are one task.
            parents = sorted({parent for key in found for parent in self._nodes[key].depends_on})[:3]
            raise SelectionError(
                f"{term!r}: {name!r} runs only together with the other tests of {', '.join(parents)}; select that."
            )
        return found


def _walk(found: set[str], edges: Mapping[str, Iterable[str]], depth: float) -> set[str]:
    reached: set[str] = set()
    layer = found
    while layer and depth > 0:
        layer = {neighbor for key in layer for neighbor in edges.get(key, ())} - reached
        reached |= layer
        depth -= 1
    return reached


def _is_test(node: DbtNode) -> bool:
    return bool(node.resource_type == DbtResourceType.TEST)


def _is_source(node: DbtNode) -> bool:
    return bool(node.resource_type == DbtResourceType.SOURCE)


def _is_called(node: DbtNode, name: str) -> bool:
    """Return whether dbt's method fqn takes `node` for `name` (dbt/graph/selector_methods.py, is_selected_node)."""
    fqn = node.fqn or []
    if not fqn or _is_source(node):
        return False
    wanted = name.split(".")
    # A version is the last part of the model's full name: dim_customers.v2
    versioned = node.unique_id == ".".join(["model", node.package_name or "", *fqn[-2:]])
    leaf = fqn[-2 if versioned else -1]
    if name == leaf or (versioned and "_".join(wanted[-2:]) == "_".join(fqn[-2:])):
        return True
    return any(_begins_with(".".join(parts).split("."), wanted) for parts in (fqn, fqn[1:])) or (
        len(wanted) == 1 and fnmatchcase(leaf, name)
    )


def _begins_with(parts: list[str], wanted: list[str]) -> bool:
    if len(parts) < len(wanted):
        return False
    for at, (part, pattern) in enumerate(zip(parts, wanted, strict=False)):
        if "*" in pattern:  # the rest is compared as one text
            return fnmatchcase(".".join(parts[at:]), ".".join(wanted[at:]))
        if part != pattern:
            return False
    return True


def _check_path(value: str, term: str) -> None:
    path = Path(value)
    if path.is_absolute() or not path.parts:
        raise SelectionError(f"{term!r}: a path is one below the project's folder, as models/marts.")
    if path.suffix in (".yml", ".yaml"):
        raise SelectionError(
            f"{term!r}: the rendered graph can't tell what a .yml describes; name a folder or .sql file."
        )
