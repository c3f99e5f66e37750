"""The form's select and exclude mean what dbt means by them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from cosmos.dbt.graph import DbtNode
from mwaa_dbt import DbtProject, selection
from mwaa_dbt.errors import SelectionError

#: (select, exclude) by project, as a person enters them
ZOO = [
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
    ("@tag:daily", ""),
    ("tag:money", ""),
    ("toolbox+ +int_ephemeral+1", ""),
    ("dim_customers", ""),
    ("dim_customers.v2", ""),
    ("1+zoo.marts.dim_customers.v2", ""),
    ("dim_*", ""),
    ("assert_no_sale_is_lost.sql", ""),
    ("+snapshots/customers_history.sql", ""),
    ("raw_orders.csv+1", ""),
    ("staging", "unique_stg_customers_customer_id"),
    ("", "staging,resource_type:test"),
]
FLIGHTS = [
    *((term, "") for term in ("+marts", "marts+", "@marts", "1+intermediate", "0+marts", "@+marts", "+flights")),
    *((term, "") for term in ("resource_type:seed+", "+resource_type:model", "path:models/marts+", "package:flights+")),
    *((term, "") for term in ("2+config.materialized:table+1", "@source:raw.flights", "config.schema:marts+")),
    *((term, "") for term in ("flights.marts.fct_flights", "+marts.fct_flights", "flights.marts+", "flights.int*")),
    *((term, "") for term in ("fqn:marts+", "fct_*+1", "fqn:flights.staging.*", "flights", "stg_*,+fct_flights")),
    *((term, "") for term in ("models/marts", "models/marts/", "+models/marts/fct_flights.sql", "@models/staging")),
    *((term, "") for term in ("path:./models", "path:models/marts/*", "models/staging/stg_flights.sql+2")),
    *((term, "") for term in ("fct_flights.sql", "1+fct_flights.sql+", "file:fct_*", "file:fct_flights+")),
    *((term, "") for term in ("routes,resource_type:test", "marts,resource_type:test", "+marts,resource_type:test")),
    *((term, "") for term in ("assert_*", "models/marts,resource_type:test,stg_flights+")),
    *(("", term) for term in ("marts,resource_type:test", "routes,resource_type:test", "marts+", "@stg_planes")),
    *(("", term) for term in ("unique_routes_route_id", "fct_flights.sql+", "models/staging", "resource_type:test")),
    ("+marts routes,resource_type:test", "1+stg_flights.sql+1 models/intermediate,resource_type:test"),
]
_DBT_LS = """
import json, sys
from dbt.cli.main import dbtRunner
flags = ["--profiles-dir", sys.argv[2], "--target-path", sys.argv[2], "--log-path", sys.argv[2]]
dbt, answers = dbtRunner(manifest=dbtRunner().invoke(["--quiet", "parse", *flags]).result), []
for select, exclude in json.loads(sys.argv[1]):
    options = ["--select", *select.split()] * bool(select) + ["--exclude", *exclude.split()] * bool(exclude)
    listed = dbt.invoke(["--quiet", "ls", "--output", "json", "--output-keys", "unique_id", *flags, *options])
    assert listed.success, listed.exception
    answers.append([json.loads(line)["unique_id"] for line in listed.result])
open(sys.argv[2] + "/answers.json", "w").write(json.dumps(answers))
"""


@pytest.fixture
def nodes(dbt_root: Path) -> dict[str, DbtNode]:
    return DbtProject("zoo").nodes()


@pytest.mark.parametrize(("name", "cases"), [("zoo", ZOO), ("flights", FLIGHTS)], ids=["zoo", "flights"])
def test_agrees_with_dbt(workspace: Path, venv: Path, tmp_path: Path, name: str, cases: list[tuple[str, str]]) -> None:
    profile = {name: {"target": "dev", "outputs": {"dev": {"type": "duckdb", "path": ":memory:"}}}}
    (tmp_path / "profiles.yml").write_text(json.dumps(profile))
    subprocess.run(
        [venv / "bin" / "python", "-c", _DBT_LS, json.dumps(cases), tmp_path],
        cwd=workspace / name,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    answers = json.loads((tmp_path / "answers.json").read_text())

    nodes = DbtProject(name).nodes()
    for (select, exclude), answer in zip(cases, answers, strict=True):
        ours = selection.resolve(nodes, workspace / name, select.split(), exclude.split())
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
        *(
            (f"{method}:", (f"nothing to look for in '{method}:'",))
            for method in ("path", "tag", "fqn", "config.meta.a")
        ),
        ("fct_orders,+path:+", ("nothing to look for in '+path:+'",)),
        ("visits", ("there is no node, folder or package named 'visits'",)),  # a source has no bare name
        ("path:/", ("below the project's folder",)),
        ("path:.", ("below the project's folder",)),
        ("path:models/staging/staging.yml", (".yml",)),
        ("path:*", ("* can stand in names and files only",)),
        ("path:models/mar*", ("* can stand in names and files only",)),
        ("tag:d*+", ("* can stand in names and files only",)),
        ("config.tags_of:daily", ("'config.tags_of'", "can't be resolved")),
        ("config.meta:daily", ("'config.meta'", "can't be resolved")),
        ("config.meta.owner:a:b", ("'config.meta.owner:a:b' can't be resolved",)),
        ("@fct_orders+", ("leave out the + at the end",)),
        ("tag:weekly", ("'tag:weekly' selects none of the", "project zoo")),
        ("tag:daily,nowhere", ("'nowhere'",)),
        ("path:models/nowhere", ("selects none",)),
        ("dim_customers_v3", ("'dim_customers_v3'", "Did you mean dim_customers")),
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


def test_one_of_a_nodes_own_tests_cant_run_without_the_others(nodes: dict[str, DbtNode]) -> None:
    with pytest.raises(SelectionError, match=r"other tests of model\.zoo\.stg_customers; select that"):
        selection.resolve(nodes, Path("/srv/zoo"), ["unique_stg_customers_customer_id"], [])
    left = selection.resolve(nodes, Path("/srv/zoo"), ["stg_customers"], ["unique_stg_customers_customer_id"])
    assert any("not_null_stg_customers" in key for key in left)
    assert not any("unique_stg_customers" in key for key in left)


def test_a_test_has_its_own_tags(nodes: dict[str, DbtNode]) -> None:
    """Cosmos gives it those of its first parent."""
    (test,) = [key for key in nodes if ".assert_no_sale_is_lost" in key]
    nodes[test].tags = ["slow"]
    assert selection.resolve(nodes, Path("/srv/zoo"), ["tag:slow"], []) == {test}
