"""dbt projects of any size, layered like real ones, whose warehouse is never the bottleneck.

DuckDB takes one writing process per file, so every dbt command has a database of its own, in memory. Models only say
what they depend on (`-- depends_on`), and the tests read nothing: what is measured is dbt and Airflow, not a query.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from mwaa_dbt.render_manifest import parse_name

from mwaactl import manifest

FORMAT = 3
#: A folder with more models than this gets a second one.
FOLDER = 50
COLUMNS = ("id", "customer_id", "booked_at", "amount", "currency")
#: What a no-op DAG needs to know of a project, beside the manifest: see `shape`.
SHAPE = "shape.json"

_MACROS = """\
{% test is_fine(model, column_name) %}select 1 as id where false{% endtest %}
{% test is_complete(model, column_name) %}select 1 as id where false{% endtest %}
"""
_TESTS = ("is_fine", "is_complete")


@dataclass(frozen=True)
class Model:
    """One model: where it is in the layers, and the models, sources and seeds that it reads."""

    name: str
    layer: int
    place: int
    parents: tuple[str, ...] = ()
    source: str = ""
    seed: str = ""


def layers(size: int) -> int:
    """Return how many layers a project of `size` models has."""
    return 5 if size < 40 else 8


def models(size: int) -> list[Model]:
    """Return the models of a project: each reads two of the layer before, and from the third layer one further up."""
    width = math.ceil(size / layers(size))
    made: list[Model] = []
    for number in range(size):
        layer, place = divmod(number, width)
        if layer == 0:
            seed = f"seed_{place // 10:03}" if place % 10 == 0 and place // 10 < seeds(size) else ""
            made.append(Model(name(size, 0, place), 0, place, source=f"table_{place // 5:03}", seed=seed))
            continue
        parents = [name(size, layer - 1, place), name(size, layer - 1, (place + 1) % width)]
        if layer > 1:
            parents.append(name(size, layer - 2, (place * 7) % width))
        made.append(Model(name(size, layer, place), layer, place, tuple(dict.fromkeys(parents))))
    return made


def name(size: int, layer: int, place: int) -> str:
    """Return the name of a model; its prefix says what it is in a layered project."""
    kind = "stg" if layer == 0 else "fct" if layer == layers(size) - 1 else "int"
    return f"{kind}_{layer}_{place:04}"


def seeds(size: int) -> int:
    """Return how many seeds a project of `size` models has."""
    return max(1, size // 200)


def files(size: int) -> dict[str, str]:
    """Return path and text of every file of the project."""
    project = f"bench_{size}"
    found = {
        "profiles.yml": yaml.safe_dump(profiles([project])),
        "dbt_project.yml": yaml.safe_dump(
            {
                "name": project,
                "version": "1.0.0",
                "profile": project,
                "flags": {"send_anonymous_usage_stats": False},
                "models": {project: {"+materialized": "table"}},
            }
        ),
        "macros/tests.sql": _MACROS,
    }
    tables = sorted({model.source for model in models(size) if model.source})
    source = {"name": "raw", "schema": "main", "description": "What is loaded.", "tables": []}
    source["tables"] = [{"name": table, "description": f"Raw {table}."} for table in tables]
    found["models/sources.yml"] = yaml.safe_dump({"sources": [source]})
    for number in range(seeds(size)):
        found[f"seeds/seed_{number:03}.csv"] = "id,label\n" + "".join(f"{row},label {row}\n" for row in range(20))
    entries = [{"name": f"seed_{n:03}", "columns": _columns()[:1]} for n in range(seeds(size))]
    found["seeds/seeds.yml"] = yaml.safe_dump({"seeds": entries})
    documented: dict[str, list[dict[str, Any]]] = {}
    for model in models(size):
        folder = f"models/layer_{model.layer}/part_{model.place // FOLDER:02}"
        found[f"{folder}/{model.name}.sql"] = _sql(model)
        entry = {"name": model.name, "description": f"{model.name}: {'what it is for. ' * 5}", "columns": _columns()}
        documented.setdefault(f"{folder}/models.yml", []).append(entry)
    return found | {path: yaml.safe_dump({"models": entries}) for path, entries in documented.items()}


def _columns() -> list[dict[str, Any]]:
    columns: list[dict[str, Any]] = [{"name": c, "description": f"The {c} of the row."} for c in COLUMNS]
    columns[0]["data_tests"] = list(_TESTS)
    return columns


def _sql(model: Model) -> str:
    read = [f"ref('{parent}')" for parent in (*model.parents, *filter(None, [model.seed]))]
    read += [f"source('raw', '{model.source}')"] if model.source else []
    lines = [f"-- depends_on: {{{{ {one} }}}}" for one in read]
    return "\n".join([*lines, "select", ",\n".join(f"    1 as {column}" for column in COLUMNS)]) + "\n"


def generate(root: Path, size: int, told: Callable[[str], None]) -> Path:
    """Write the project below `root`, parse it as CI does before a release; return its folder.

    A project that is there already is taken as it is. Raises mwaactl.errors.Problem if dbt can't parse it.
    """
    folder = root / f"bench_{size}"
    marker = folder / "build" / "format"
    fresh = marker.is_file() and marker.read_text() == str(FORMAT)
    if not fresh:
        told(f"writing a project of {size} models")
        shutil.rmtree(folder, ignore_errors=True)
        for path, text in files(size).items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    manifest.build(folder.name, told, root=root)
    rendered = json.loads((folder / "build" / "render_manifest.json").read_text())
    (folder / "build" / SHAPE).write_text(json.dumps(shape(rendered)))
    # Where stock Cosmos looks for a parse; the profile is the one that it will use.
    (folder / "target").mkdir(exist_ok=True)
    shutil.copy2(folder / "build" / parse_name("dev"), folder / "target" / "partial_parse.msgpack")
    marker.write_text(str(FORMAT))
    return folder


def profiles(names: list[str]) -> dict[str, Any]:
    """Return the content of a profiles.yml: a database in memory for each of these projects."""
    target = {"target": "dev", "outputs": {"dev": {"type": "duckdb", "path": ":memory:", "schema": "main"}}}
    return dict.fromkeys(names, target)


def shape(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what decides a DAG's shape: each node with its parents and whether it has tests, parents first."""
    nodes = manifest["nodes"]
    tested = {p for key, node in nodes.items() if key.startswith("test.") for p in node["depends_on"]["nodes"]}
    found: list[dict[str, Any]] = []
    placed: set[str] = set()

    def place(key: str) -> None:
        if key in placed or key not in nodes or key.startswith("test."):
            return
        placed.add(key)
        parents = [parent for parent in nodes[key]["depends_on"]["nodes"] if parent in nodes]
        for parent in parents:
            place(parent)
        kind, _, short = key.split(".")
        names = sorted(parent.split(".")[2] for parent in parents)
        found.append({"name": short, "kind": kind, "parents": names, "tested": key in tested})

    for key in sorted(nodes):
        place(key)
    return found


def sample(size: int, width: int, depth: int) -> list[str]:
    """Return the names of up to `width` models in each of the first `depth` layers: they depend on each other."""
    return [model.name for model in models(size) if model.layer < depth and model.place < width]
