"""What dbt does in every task though nobody uses it, left out. Runs inside dbt's virtualenv, warm and plain alike.

Each patch has its reason beside it. A patch whose place in dbt has changed is left out, dbt then does its own (slower)
thing, and `MISSING` names it; a test fails as soon as that happens with the locked dbt.
"""

from __future__ import annotations

import importlib
import multiprocessing
from collections.abc import Callable
from typing import Any

MISSING: list[str] = []
# Filled before the fork (see prepare): the project's graph, linked once, by "with test edges or not".
_linked: dict[tuple[int, bool], Any] = {}
# Above so many selected nodes dbt's own way to a part of the graph is as good.
FEW = 50
_stats: dict[int, dict[Any, int]] = {}


def replace(path: str, make: Callable[[Any], Any]) -> None:
    """Replace `module:attribute.path` by what `make` builds from the original, if the original is where it was."""
    module, _, attributes = path.partition(":")
    *owners, name = attributes.split(".")
    try:
        owner = importlib.import_module(module)
        for part in owners:
            owner = getattr(owner, part)
        setattr(owner, name, make(getattr(owner, name)))
    except (ImportError, AttributeError):
        MISSING.append(path)


def apply() -> None:
    """Patch dbt in this process. Call before deployed.apply() and before any dbt command but `parse` and `docs`."""
    # Named semaphores outlive a killed process and need a tracker process each; dbt uses the context for locks between
    # threads only, and the fork context's locks are nameless. Before the rest: the manifest's class takes it on import.
    replace("dbt.mp_context:_MP_CONTEXT", lambda _: multiprocessing.get_context("fork"))
    # manifest.json and semantic_manifest.json: 1.2 s and 10 MB a task at 1,000 models. CI builds the project's once.
    for user in ("dbt.parser.manifest", "dbt.task.runnable"):
        replace(f"{user}:write_manifest", lambda _: lambda *args, **kwargs: None)
    # partial_parse.msgpack: the request's directory vanishes with the task, nobody could read it again.
    replace("dbt.parser.manifest:ManifestLoader.write_manifest_for_partial_parse", lambda _: lambda self: None)
    # graph.gpickle, graph_summary.json, and a graph linked again by each child.
    replace("dbt.compilation:Compiler.compile", _compile)
    # dbt copies the whole graph to pick a few nodes out of it.
    replace("dbt.graph.graph:Graph.get_subset_graph", _subset_graph)
    # --cache-selected-only is for `run` only in dbt; `test` looks at the schemas of all nodes.
    replace("dbt.task.runnable:GraphRunnableTask.populate_adapter_cache", _populate_cache)


def prepare(manifest: Any) -> None:
    """Do before the fork what every child would do again: link the graph, and once more with `build`'s edges."""
    compilation: Any = importlib.import_module("dbt.compilation")

    manifest.build_parent_and_child_maps()
    for add_test_edges in (False, True):
        linker = _linked[id(manifest), add_test_edges] = compilation.Linker()
        linker.link_graph(manifest)
        if add_test_edges:
            linker.add_test_edges(manifest)
    _stats[id(manifest)] = compilation._generate_stats(manifest)


def _compile(original: Callable[..., Any]) -> Callable[..., Any]:
    from dbt.graph import Graph

    compilation: Any = importlib.import_module("dbt.compilation")

    def compile(self: Any, manifest: Any, write: bool = True, add_test_edges: bool = False) -> Any:
        self.initialize()
        linker = _linked.get((id(manifest), add_test_edges))
        if linker is None:
            linker = compilation.Linker()
            linker.link_graph(manifest)
            if add_test_edges:
                manifest.build_parent_and_child_maps()
                linker.add_test_edges(manifest)
        if self.config.args.which != "list":
            compilation.print_compile_stats(_stats.get(id(manifest)) or compilation._generate_stats(manifest))
        return Graph(linker.graph)

    return compile


def _subset_graph(original: Callable[..., Any]) -> Callable[..., Any]:
    import networkx
    from dbt.graph import Graph

    def get_subset_graph(self: Any, selected: Any) -> Any:
        chosen = set(selected)
        if len(chosen) > FEW or any(node not in self.graph for node in chosen):
            return original(self, chosen)
        graph = networkx.DiGraph()
        graph.add_nodes_from(sorted(chosen))
        if len(chosen) > 1:
            for node in chosen:  # an edge to each chosen node that is reached past others only
                ahead, seen = [*self.graph.successors(node)], {node}
                while ahead:
                    reached = ahead.pop()
                    if reached in seen:
                        continue
                    seen.add(reached)
                    if reached in chosen:
                        graph.add_edge(node, reached)
                    else:
                        ahead.extend(self.graph.successors(reached))
        return Graph(graph)

    return get_subset_graph


def _populate_cache(original: Callable[..., Any]) -> Callable[..., Any]:
    from dbt.flags import get_flags

    def populate_adapter_cache(self: Any, adapter: Any, required_schemas: Any = None) -> Any:
        if required_schemas is None and get_flags().CACHE_SELECTED_ONLY is True and self._flattened_nodes is not None:
            required_schemas = self.get_model_schemas(adapter, {node.unique_id for node in self._flattened_nodes})
            if not required_schemas:  # dbt would take none for all; a lookup of another schema asks the warehouse
                return None
        return original(self, adapter, required_schemas)

    return populate_adapter_cache


def start_child(project: Any) -> None:
    """Give a forked child what parsing would have left behind: fresh locks, and the lines of the parse."""
    from dbt.adapters.factory import get_adapter
    from dbt.cli import main, requires
    from dbt.config.catalogs import get_active_write_integration
    from dbt.mp_context import get_mp_context
    from dbt_common.events.event_manager_client import get_event_manager

    from dbt import deprecations

    project.manifest._lock = get_mp_context().Lock()  # the parent's is shared between processes
    deprecations.active_deprecations.clear()
    original = requires.setup_manifest

    def setup_manifest(ctx: Any, *args: Any, **kwargs: Any) -> None:
        original(ctx, *args, **kwargs)
        adapter = get_adapter(ctx.obj["runtime_config"])
        for catalog in ctx.obj.get("catalogs") or []:  # only parsing tells the adapter
            adapter.add_catalog_integration(get_active_write_integration(catalog))
        for event, level in project.events:
            get_event_manager().fire_event(event, level)
        for name, count in project.deprecations.items():
            deprecations.active_deprecations[name] += count

    requires.setup_manifest = setup_manifest
    main.setup_manifest = setup_manifest  # `dbt show` calls it from there
