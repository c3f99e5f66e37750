"""What every node of the project has, read from its manifest."""

import re
from typing import Any

import pytest

from tests.dbt.harness import PROJECT, Dbt

BUILT = ("model", "seed", "snapshot")


@pytest.fixture(scope="module")
def manifest(dbt: Dbt) -> dict[str, Any]:
    dbt.run(["--warn-error", "parse", "--no-partial-parse"])  # a deprecation is a warning, too
    return dbt.manifest()


def nodes(manifest: dict[str, Any], *types: str) -> list[dict[str, Any]]:
    return [node for node in manifest["nodes"].values() if node["resource_type"] in types]


def test_the_project_has_the_size_that_was_asked_for(manifest: dict[str, Any]) -> None:
    assert 20 <= len(nodes(manifest, "model")) <= 30
    assert {node["config"]["materialized"] for node in nodes(manifest, "model")} == {"view", "table", "incremental"}
    assert len(manifest["unit_tests"]) >= 5


def test_every_node_is_described_owned_and_tested(manifest: dict[str, Any]) -> None:
    tested = {parent for test in nodes(manifest, "test") for parent in test["depends_on"]["nodes"]}
    for node in nodes(manifest, *BUILT):
        assert node["description"].strip(), f"{node['unique_id']} has no description"
        assert node["config"]["meta"].get("owner"), f"{node['unique_id']} has no config.meta.owner"
        assert node["unique_id"] in tested, f"{node['unique_id']} has no test"
        for column in node["columns"].values():
            assert column["description"].strip(), f"{node['unique_id']}.{column['name']} has no description"


def test_models_say_what_a_row_is(manifest: dict[str, Any]) -> None:
    for node in nodes(manifest, *BUILT):
        assert node["description"].startswith("One row per "), node["unique_id"]


def test_every_way_to_run_tests_is_used_and_an_exception_gives_its_reason(manifest: dict[str, Any]) -> None:
    behaviours = {node["unique_id"]: node["config"]["meta"].get("test_behavior") for node in nodes(manifest, *BUILT)}
    assert set(behaviours.values()) == {None, "build", "after_all", "none"}
    for node in nodes(manifest, *BUILT):
        if (behaviour := behaviours[node["unique_id"]]) in ("after_all", "none"):
            assert f"(test_behavior\n{behaviour})" in node["description"].replace(" ", "\n"), node["unique_id"]


def test_every_source_has_freshness_and_columns_with_types(manifest: dict[str, Any]) -> None:
    assert {source["name"] for source in manifest["sources"].values()} == {"flights", "weather", "planes"}
    for source in manifest["sources"].values():
        assert source["freshness"]["error_after"]["count"], source["name"]
        assert source["loaded_at_field"] == "_loaded_at"
        assert all(column["data_type"] and column["description"] for column in source["columns"].values())


def test_raw_tables_and_seeds_share_a_schema_in_every_target(dbt: Dbt, manifest: dict[str, Any]) -> None:
    # The sources' schema repeats the rule of generate_schema_name, since a source's schema can't call macros.
    dbt.run(["parse"], target="prod")
    for target, expected in {"dev": "dev_raw", "prod": "raw"}.items():
        parsed = dbt.manifest(target)
        assert {source["schema"] for source in parsed["sources"].values()} == {expected}
        assert {seed["schema"] for seed in nodes(parsed, "seed")} == {expected}


def test_a_pull_request_has_schemas_of_its_own_in_every_target(dbt: Dbt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MWAACTL_CI_SCHEMA", "pr_123")
    for target, raw in {"dev": "dev_raw", "prod": "raw"}.items():
        dbt.run(["parse"], target=target)
        parsed = dbt.manifest(target)
        found = {node["schema"] for node in nodes(parsed, *BUILT)}
        assert found == {f"pr_123_{name}" for name in ("staging", "intermediate", "marts", "raw", "snapshots")}
        assert {source["schema"] for source in parsed["sources"].values()} == {raw}, "sources are production's"


def test_no_value_of_the_data_or_of_a_deployment_is_written_into_a_model(manifest: dict[str, Any]) -> None:
    for node in nodes(manifest, "model"):
        code = re.sub(r"--.*|\{#.*?#\}", "", node["raw_code"], flags=re.DOTALL if "{#" in node["raw_code"] else 0)
        assert not re.search(r"\b(19|20)\d\d\b|\b[A-Z]{3}\b|@|://", code), node["unique_id"]
        assert not re.search(r"\b(from|join) +\w+\.\w+", code), (
            f"{node['unique_id']} names a table without ref or source"
        )


def test_no_two_files_share_a_model_and_each_model_has_its_yml() -> None:
    for sql in PROJECT.glob("models/**/*.sql"):
        assert sql.with_suffix(".yml").is_file(), sql
