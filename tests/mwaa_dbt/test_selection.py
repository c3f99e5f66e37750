"""The form's select and exclude mean what dbt means by them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from cosmos.dbt.graph import DbtNode
from mwaa_dbt import DbtProject, selection
from mwaa_dbt.errors import SelectionError

#: (select, exclude), as a person enters them
CASES = [
    ("fct_orders", ""),
    ("fct_orders+", ""),
    ("+fct_orders", ""),
    ("1+fct_orders", ""),
    ("2+rpt_sales", ""),
    ("stg_customers+1", ""),
    ("+stg_customers+", ""),
    ("3+rpt_sales+2", ""),
    ("@int_paid", ""),
    ("int_ephemeral+", ""),
    ("tag:daily", ""),
    ("+tag:daily", ""),
    ("tag:nightly+", ""),
    ("path:models/staging", ""),
    ("path:models/marts/fct_orders.sql", ""),
    ("+path:models/marts", ""),
    ("path:models", ""),
    ("resource_type:seed", ""),
    ("config.materialized:view", ""),
    ("config.meta.owner:ann", ""),
    ("package:toolbox", ""),
    ("zoo", ""),
    ("toolbox", ""),
    ("staging", ""),
    ("source:shop.visits+", ""),
    ("fqn:zoo.staging.stg_orders", ""),
    ("config.materialized:table,tag:daily", ""),
    ("+rpt_sales,tag:nightly", ""),
    ("marts,fct_orders", ""),
    ("fct_orders,path:models/marts", ""),
    ("stg_orders+,path:models/marts,resource_type:model", ""),
    ("resource_type:model", "stg_orders+,path:models/marts"),
    ("stg_customers int_alone", ""),
    ("assert_no_sale_is_lost", ""),
    ("", "fct_orders+"),
    ("", "+fct_orders"),
    ("", "stg_customers"),
    ("", "assert_no_sale_is_lost"),
    ("tag:daily", "+rpt_sales"),
    ("+rpt_sales", "stg_orders+"),
    ("1+tag:daily", "2+fct_divided"),
    ("resource_type:model", "resource_type:test"),
    ("marts", "fct_slow"),
]
_DBT_LS = """
import json, sys
from dbt.cli.main import dbtRunner
dbt, answers = dbtRunner(), []
for select, exclude in json.loads(sys.argv[1]):
    options = ["--select", *select.split()] * bool(select) + ["--exclude", *exclude.split()] * bool(exclude)
    listed = dbt.invoke(["--quiet", "ls", "--output", "json", "--output-keys", "unique_id", "--profiles-dir",
                         sys.argv[2], "--target-path", sys.argv[2], "--log-path", sys.argv[2], *options])
    assert listed.success, listed.exception
    answers.append([json.loads(line)["unique_id"] for line in listed.result])
open(sys.argv[2] + "/answers.json", "w").write(json.dumps(answers))
"""


@pytest.fixture
def nodes(dbt_root: Path) -> dict[str, DbtNode]:
    return DbtProject("zoo").nodes()


def test_agrees_with_dbt(workspace: Path, venv: Path, tmp_path: Path) -> None:
    profile = {"zoo": {"target": "dev", "outputs": {"dev": {"type": "duckdb", "path": ":memory:"}}}}
    (tmp_path / "profiles.yml").write_text(json.dumps(profile))
    subprocess.run(
        [venv / "bin" / "python", "-c", _DBT_LS, json.dumps(CASES), tmp_path],
        cwd=workspace / "zoo",
        check=True,
        stdout=subprocess.DEVNULL,
    )
    answers = json.loads((tmp_path / "answers.json").read_text())

    nodes = DbtProject("zoo").nodes()
    for (select, exclude), answer in zip(CASES, answers, strict=True):
        ours = selection.resolve(nodes, workspace / "zoo", select.split(), exclude.split())
        # Sources run nowhere, and tests that no node wants (`none`, `after_all`) have no task to be asked for.
        assert ours - _sources(nodes) == set(answer) & set(nodes) - _sources(nodes), (select, exclude)
        assert ours


def _sources(nodes: dict[str, DbtNode]) -> set[str]:
    return {unique_id for unique_id in nodes if unique_id.startswith("source.")}


def test_the_place_of_the_project_on_disk_selects_nothing(nodes: dict[str, DbtNode]) -> None:
    """Cosmos compares bare names with every folder of the absolute path."""
    staging = selection.resolve(nodes, Path("/srv/zoo"), ["staging"], [])
    moved = {}
    for unique_id, node in nodes.items():
        node.path_base = Path("/srv/staging/dags/dbt/zoo")
        moved[unique_id] = node
    assert selection.resolve(moved, Path("/srv/staging/dags/dbt/zoo"), ["staging"], []) == staging
    assert len(staging) < len(nodes)


@pytest.mark.parametrize(
    ("term", "words"),
    [
        ("fct_order", ("'fct_order'", "Did you mean fct_orders")),
        ("+stg_custmers+", ("'stg_custmers'", "Did you mean stg_customers")),
        ("nothing_like_it_at_all", ("there is no node, folder or package named",)),
        ("state:modified", ("'state'", "can't be resolved on the rendered graph", "resource_type")),
        ("state:modified+", ("'state'", "can't be resolved on the rendered graph")),
        ("result:error", ("'result'",)),
        ("exposure:sales_dashboard", ("'exposure'",)),
        ("@tag:daily", ("'@tag:daily' can't be resolved",)),
        ("tag:weekly", ("'tag:weekly' selects none of the", "project zoo")),
        ("tag:daily,nowhere", ("'nowhere'",)),
        ("path:models/nowhere", ("selects none",)),
        ("dim_customers", ("selects none",)),
    ],
)
@pytest.mark.parametrize("field", ["select", "exclude"])
def test_what_cant_be_resolved_is_said_in_words(
    nodes: dict[str, DbtNode], term: str, words: tuple[str, ...], field: str
) -> None:
    lists = {"select": [], "exclude": [], field: [term]}
    with pytest.raises(SelectionError) as error:
        selection.resolve(nodes, Path("/srv/zoo"), **lists)
    for word in words:
        assert word in str(error.value)
