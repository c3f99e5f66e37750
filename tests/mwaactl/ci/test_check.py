"""`mwaactl ci check` with the real dbt: what it builds, what it leaves alone, what it leaves behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from mwaa_dbt import state as states

from mwaactl.ci import dag_changes, summary
from mwaactl.ci.runner import Dbt
from mwaactl.errors import Problem
from tests.mwaactl.ci.production import Production

BUILT = ("model.", "seed.", "snapshot.")


def descendants(manifest: dict[str, Any], unique_id: str) -> set[str]:
    found: set[str] = set()
    new = {unique_id}
    while new:
        new = {child for one in new for child in manifest["child_map"][one] if child.startswith(BUILT)} - found
        found |= new
    return found


def content(warehouse: Path) -> dict[str, list[tuple]]:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        tables = connection.execute("select table_schema, table_name from information_schema.tables").fetchall()
        return {f"{s}.{t}": connection.execute(f"select * from {s}.{t} order by all").fetchall() for s, t in tables}


def test_one_changed_model_builds_itself_and_what_comes_after_it(flights: Production, tmp_path: Path) -> None:
    flights.edit("models/intermediate/int_aircraft_registered.sql", lambda text: text + "\n-- changed\n")
    before = content(flights.warehouse)
    found = flights.check(tmp_path / "ci")

    results = json.loads((tmp_path / "ci" / "run_results.json").read_text())["results"]
    manifest = json.loads((tmp_path / "ci" / "target" / "manifest.json").read_text())
    model = "model.flights.int_aircraft_registered"
    after_it = descendants(manifest, model)
    assert "model.flights.aircraft" in after_it
    built = {one["unique_id"] for one in results if one["unique_id"].startswith(BUILT)}
    assert built == {model} | after_it
    assert {one["status"] for one in results} == {"success", "pass"}
    assert found.ok
    assert found.selection.changed == [model]
    assert found.selection.built == sorted(built)

    # What wasn't built is production's; what was, the pull request's own.
    by_id = {one["unique_id"]: one["compiled_code"] for one in results}
    assert '"warehouse"."snapshots"."planes_history"' in by_id[model]
    assert '"warehouse"."pr_7_intermediate"."int_aircraft_registered"' in by_id["model.flights.aircraft"]
    assert '"warehouse"."intermediate"."int_aircraft_days"' in by_id["model.flights.aircraft"]
    assert "model.flights.int_aircraft_days" in found.selection.deferred

    assert content(flights.warehouse) == before, "production is as it was"
    assert found.dropped == ["pr_7_intermediate", "pr_7_marts"]
    assert not [name for name in flights.schemas() if name.startswith("pr_7")]
    assert found.dags is not None
    assert found.dags == dag_changes.Changes()
    assert "every test its place" in summary.markdown(found)


def test_nothing_changed_whatever_target_the_state_was_parsed_for(flights: Production, tmp_path: Path) -> None:
    # Schemas and databases differ between targets; what is written in the files doesn't.
    state = flights.run(tmp_path / "dev", ["parse"], target="dev")
    assert json.loads(state)["nodes"]["model.flights.aircraft"]["schema"] == "dev_marts"
    before = states.read(flights.s3, flights.place)
    assert before
    try:
        states.publish(flights.s3, flights.place, state, "r1")
        found = flights.check(tmp_path / "ci")
    finally:
        states.publish(flights.s3, flights.place, before.manifest, "r1")
    assert found.ok
    assert found.selection.empty
    assert found.selection.changed == []
    assert "nothing to build" in summary.markdown(found)


def test_a_new_model_and_a_test_that_moves_show_in_the_dag(flights: Production, tmp_path: Path) -> None:
    marts = flights.project_dir / "models" / "marts"
    (marts / "busiest.sql").write_text("select carrier_code from {{ ref('airlines') }}")
    (marts / "busiest.yml").write_text(
        "models: [{name: busiest, columns: [{name: carrier_code, data_tests: [unique]}]}]"
    )
    (marts / "aircraft_models.sql").unlink()
    (marts / "aircraft_models.yml").unlink()
    flights.edit(
        "models/marts/aircraft.yml",
        lambda text: text.replace("meta: {owner: fleet}", "meta: {owner: fleet, test_behavior: build}"),
    )
    found = flights.check(tmp_path / "ci")
    assert found.ok, found.error
    assert found.dags is not None
    assert found.dags.notes == []
    assert "flights_transform.marts.busiest.run" in found.dags.added
    assert "flights_transform.marts.busiest.test" in found.dags.added
    assert "flights_transform.marts.aircraft_models_run" in found.dags.removed
    moved = {test: places for test, places in found.dags.moved.items() if ".unique_aircraft_tail_number." in test}
    ((old, new),) = moved.values()
    alone = "flights_tests.marts.aircraft_test"
    assert old == f"flights_init.marts.aircraft.test, {alone}, flights_transform.marts.aircraft.test"
    assert alone in new
    for place, dag_id in zip(
        new.replace(f"{alone}, ", "").split(", "), ("flights_init", "flights_transform"), strict=True
    ):
        assert place.startswith(f"{dag_id}.marts.aircraft_")
        assert place.endswith("_build")
    assert found.selection.removed == ["model.flights.aircraft_models"]
    assert "model.flights.busiest" in found.selection.built


def test_an_sql_error_shows_on_empty_tables_and_leaves_nothing(flights: Production, tmp_path: Path) -> None:
    flights.edit(
        "models/marts/airlines.sql", lambda text: text.replace("select * from final", "select nothing from final")
    )
    found = flights.check(tmp_path / "ci")
    assert not found.ok
    assert found.stopped_in == "empty"
    assert "model.flights.airlines" in found.error
    assert "nothing" in found.error
    assert "build" not in found.seconds
    assert not [name for name in flights.schemas() if name.startswith("pr_7")]
    assert "found on empty tables" in summary.markdown(found)


def test_rows_that_are_kept_are_built_from_an_empty_start(shop: Production, tmp_path: Path) -> None:
    shop.edit("models/kept.sql", lambda text: text + "-- changed")
    found = shop.check(tmp_path / "ci")
    assert found.ok, found.error  # the test on total: 60; none of it if the empty pass had left its tables
    assert found.selection.built == ["model.shop.kept", "model.shop.total", "snapshot.shop.history"]
    assert found.selection.clones == [], "DuckDB can't clone"
    assert found.selection.deferred == ["seed.shop.orders"]
    assert shop.schemas() == {"shop"}


def test_a_failed_test_fails_the_check(shop: Production, tmp_path: Path) -> None:
    shop.edit("models/total.sql", lambda text: text.replace("sum(amount)", "sum(amount) + 1"))
    found = shop.check(tmp_path / "ci")
    assert not found.ok
    assert found.stopped_in == "build"
    assert "accepted_values_total_amount__False__60" in found.error
    kept = json.loads((tmp_path / "ci" / "run_results.json").read_text())["results"]
    assert {one["unique_id"]: one["status"] for one in kept} == {
        one["unique_id"]: one["status"] for one in found.results
    }
    assert "fail" in {one["status"] for one in kept}
    assert found.dropped == ["pr_7"]
    assert "| 1 of 1 |" in summary.markdown(found)


def test_without_a_state_everything_is_built(shop: Production, tmp_path: Path) -> None:
    shop.s3.delete_object(Bucket=shop.environment.bucket, Key=shop.place.manifest)
    try:
        found = shop.check(tmp_path / "ci")
    finally:
        state = shop.run(tmp_path / "run", ["parse"])
        states.publish(shop.s3, shop.place, state, "r1")
    assert found.ok
    assert found.state is None
    assert len(found.selection.built) == 4
    assert "everything was built" in summary.markdown(found)
    assert shop.schemas() == {"shop"}


def test_a_project_that_would_build_into_production_is_refused(shop: Production, tmp_path: Path) -> None:
    (shop.project_dir / "macros" / "generate_schema_name.sql").unlink()
    shop.edit("models/total.sql", lambda text: text + "-- changed")
    before = content(shop.warehouse)
    with pytest.raises(Problem) as problem:
        shop.check(tmp_path / "ci")
    assert "model.shop.total -> shop" in problem.value.what
    assert "generate_schema_name" in problem.value.next_step
    assert content(shop.warehouse) == before


def test_what_a_killed_check_left_is_dropped_first(shop: Production, tmp_path: Path) -> None:
    with duckdb.connect(str(shop.warehouse)) as connection:
        connection.execute("create schema pr_7_old; create schema pr_77; create table pr_7_old.t as select 1 as id")
    shop.edit("models/total.sql", lambda text: text + "-- changed")
    assert shop.check(tmp_path / "ci").ok
    assert shop.schemas() == {"shop", "pr_77"}, "another pull request's stays"


def test_a_schema_that_stays_is_said(shop: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drop, calls = Dbt.drop, []

    def drop_until_the_end(self: Dbt, schema: str, databases: list[str]) -> list[str]:
        calls.append(schema)
        if len(calls) == 3:  # before, after the empty pass, at the end: by then there is no such database
            return drop(self, schema, ["gone"]) or drop(
                Dbt(self.venv, self.project_dir, self.profile, tmp_path / "x"), schema, ["a'b"]
            )
        return drop(self, schema, databases)

    monkeypatch.setattr(Dbt, "drop", drop_until_the_end)
    shop.edit("models/total.sql", lambda text: text + "-- changed")
    found = shop.check(tmp_path / "ci")
    assert not found.ok
    assert "could not be dropped" in found.left
    assert "mwaactl ci drop shop --schema pr_7" in found.left
    assert "Left behind" in summary.markdown(found)
    assert "pr_7" in shop.schemas()
