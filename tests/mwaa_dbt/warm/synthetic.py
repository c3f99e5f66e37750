"""A made-up dbt project of any size: layered models on an in-memory DuckDB, two tests a model."""

from pathlib import Path

PROFILES = """\
synthetic:
  target: dev
  outputs:
    dev: {type: duckdb, path: "{{ env_var('SYNTHETIC_PATH', ':memory:') }}", schema: main, threads: 1}
    other: {type: duckdb, path: ":memory:", schema: elsewhere, threads: 1}
"""


def generate(root: Path, models: int) -> Path:
    """Write a project of `models` models below `root` (profiles.yml beside it) and return its directory."""
    project = root / "synthetic"
    (project / "models").mkdir(parents=True)
    (root / "profiles.yml").write_text(PROFILES)
    (project / "dbt_project.yml").write_text(
        "name: synthetic\nprofile: synthetic\nversion: 1.0.0\nconfig-version: 2\n"
        "models: {synthetic: {+materialized: view}}\n"
    )
    per_layer = max(1, models // 10)
    for i in range(models):
        layer, place = divmod(i, per_layer)
        parents = [] if layer == 0 else [f"m{(layer - 1) * per_layer + (place + k) % per_layer}" for k in (0, 1, 2)]
        folder = project / "models" / f"layer{layer}"
        folder.mkdir(exist_ok=True)
        depends = "".join(f"-- depends_on: {{{{ ref('{p}') }}}}\n" for p in dict.fromkeys(parents))
        (folder / f"m{i}.sql").write_text(f"{depends}select {i} as id, 'model {i}' as name\n")
        if place == 0:
            (folder / "schema.yml").write_text("version: 2\nmodels:\n")
        with (folder / "schema.yml").open("a") as schema:
            schema.write(
                f"  - name: m{i}\n    description: Model {i} of layer {layer}, as a test of size.\n"
                "    columns:\n      - name: id\n        description: its key\n        data_tests: [not_null, unique]\n"
            )
    return project
