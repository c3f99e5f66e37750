"""What a dbt project's nodes lack, from a manifest, and how findings are printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mwaactl.lint import dbt_rules, findings
from mwaactl.lint.findings import Finding


def node(name: str, kind: str = "model", package: str = "shop", **more: Any) -> dict[str, Any]:
    return {
        "resource_type": kind,
        "name": name,
        "package_name": package,
        "original_file_path": f"models/{name}.sql",
        "patch_path": "shop://models/models.yml",
        "description": "One row per order.",
        "config": {"meta": {"owner": "ann"}},
        "group": None,
        "depends_on": {"nodes": []},
        **more,
    }


def manifest(*nodes: dict[str, Any], unit_tests: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {
        "metadata": {"project_name": "shop"},
        "nodes": {f"{one['resource_type']}.{one['package_name']}.{one['name']}": one for one in nodes},
        "unit_tests": {one["name"]: one for one in unit_tests},
    }


def test_each_node_is_described_owned_and_tested(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "models.yml").write_text(
        "models:\n  - name: ordered\n    columns:\n      - name: orders\n  - {name: orders}\n  - name: good\n"
    )
    content = manifest(
        node("good"),
        node("orders", description=" ", config={"meta": {}}),
        node("ordered", config={}, group="finance"),
        node("alone", patch_path=None, description=""),
        node("other", package="toolbox", description="", config={}),
        node("test_good", "test", depends_on={"nodes": ["model.shop.good"]}),
        unit_tests=(node("unit", "unit_test", depends_on={"nodes": ["model.shop.ordered"]}),),
    )
    found = {(one.file, one.line, one.rule) for one in dbt_rules.nodes(content, tmp_path)}
    assert found == {
        ("dbt/shop/models/models.yml", 5, "described"),
        ("dbt/shop/models/models.yml", 5, "owned"),
        ("dbt/shop/models/models.yml", 5, "tested"),
        ("dbt/shop/models/alone.sql", 1, "described"),
        ("dbt/shop/models/alone.sql", 1, "tested"),
    }


def test_a_warning_names_the_file_that_it_is_about() -> None:
    said = [
        "[WARNING]: Did not find matching node for patch with name 'gone' in the 'models' section of file "
        "'models/marts/gone.yml'",
        "[WARNING][DeprecationsSummary]: Deprecated functionality\nSummary of encountered deprecations",
        "[WARNING]: Configuration paths exist in your dbt_project.yml file which do not apply",
    ]
    found = list(dbt_rules.warnings(said, "shop"))
    assert [one.file for one in found] == ["dbt/shop/models/marts/gone.yml", "dbt/shop/dbt_project.yml"]
    assert found[0].message.startswith(": Did not find") or found[0].message.startswith("Did not find")


def test_the_three_forms() -> None:
    found = [Finding("dbt/a,b.sql", 3, "tested", "100% of\nnothing")]
    assert findings.printed(found, "text") == "dbt/a,b.sql:3: 100% of\nnothing [tested]"
    assert json.loads(findings.printed(found, "json")) == [
        {"file": "dbt/a,b.sql", "line": 3, "rule": "tested", "message": "100% of\nnothing"}
    ]
    assert findings.printed(found, "github") == ("::error file=dbt/a%2Cb.sql,line=3,title=tested::100%25 of%0Anothing")
