"""Loading and building for real, on DuckDB."""

import gzip
import json
from pathlib import Path

import duckdb
import pytest

from tests.dbt.harness import Dbt

D1, D2, D3 = "2013-01-01", "2013-01-02", "2013-01-03"
DATA_ONLY = ["build", "--exclude-resource-type", "test", "unit_test"]
TIMES = (
    "'_loaded_at', 'loaded_at', 'flights_loaded_at', 'weather_loaded_at', "
    "'dbt_valid_from', 'dbt_updated_at', 'dbt_scd_id'"
)


@pytest.fixture(scope="module")
def in_order(dbt: Dbt, landing: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days loaded in order, then one build with all tests."""
    warehouse = tmp_path_factory.mktemp("in_order") / "warehouse.duckdb"
    dbt.run(*(load(landing, table, day) for table, day in loads(D1, D2, D3)), ["build"], warehouse=warehouse)
    return warehouse


def load(landing: Path, table: str, day: str | None = None, path: Path | None = None) -> list[str]:
    file = path or landing / (f"{table}/{day}.csv.gz" if day else f"{table}.csv.gz")
    arguments = {"table": table, "path": str(file)} | ({"day": day} if day else {})
    return ["run-operation", "load_raw", "--args", json.dumps(arguments)]


def loads(*days: str) -> list[tuple[str, str | None]]:
    return [("planes", None), *((table, day) for day in days for table in ("flights", "weather"))]


def rows(warehouse: Path, query: str) -> list[tuple]:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return connection.execute(query).fetchall()


def content(warehouse: Path) -> dict[str, list[tuple]]:
    """Every table and view, its rows in a fixed order, without the columns that hold a time of loading."""
    tables = rows(
        warehouse,
        f"""select table_schema || '.' || table_name, string_agg(column_name, ', ' order by ordinal_position)
            from information_schema.columns where column_name not in ({TIMES}) group by all order by all""",
    )
    return {table: rows(warehouse, f"select {columns} from {table} order by all") for table, columns in tables}


def differing(found: Path, expected: Path) -> dict[str, list[list[tuple]]]:
    """The tables that aren't the same, with the first rows that only one has: pytest would compare for minutes."""
    one, other = content(found), content(expected)
    return {
        table: [
            sorted(set(mine).difference(theirs), key=str)[:3]
            for mine, theirs in ((one.get(table, []), other.get(table, [])), (other.get(table, []), one.get(table, [])))
        ]
        for table in one.keys() | other.keys()
        if one.get(table) != other.get(table)
    }


def test_the_numbers_are_those_of_the_data(in_order: Path, landing: Path) -> None:
    days = "select flight_date::text, count(*) from dev_marts.fct_flights group by all order by all"
    assert rows(in_order, days) == [
        (D1, 842), (D2, 943), (D3, 914),
    ]  # fmt: skip
    assert rows(in_order, "select sum(flights) from dev_marts.carrier_days") == [(2699,)]
    assert rows(in_order, "select sum(departures), sum(arrivals) from dev_marts.airports") == [(2699, 2699)]
    assert rows(in_order, "select count(*) from dev_marts.aircraft where is_registered") == [(3322,)]
    assert rows(in_order, "select count(*) from dev_marts.airlines") == [(16,)]
    with gzip.open(landing / "flights/2013-01-01.csv.gz", "rt") as stream:
        lines = [line.split(",") for line in stream.read().splitlines()]
    late = sum(1 for line in lines[1:] if line[8] and int(line[8]) >= 15)
    cancelled = sum(1 for line in lines[1:] if not line[3])
    assert rows(
        in_order,
        f"select sum(late_arrivals), sum(cancelled_flights) from dev_marts.carrier_days where flight_date = '{D1}'",
    ) == [(late, cancelled)]


def test_the_documented_columns_of_a_mart_are_its_columns(dbt: Dbt, in_order: Path) -> None:
    found = "select table_name, list(column_name order by ordinal_position) from information_schema.columns"
    tables = dict(rows(in_order, f"{found} where table_schema = 'dev_marts' group by all"))
    models = [
        n for n in dbt.manifest()["nodes"].values() if n["schema"] == "dev_marts" and n["resource_type"] == "model"
    ]
    assert {model["name"]: list(model["columns"]) for model in models} == tables


def test_any_order_and_any_repetition_give_the_same_tables(
    dbt: Dbt, landing: Path, in_order: Path, tmp_path: Path
) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    dbt.run(
        *(load(landing, table, day) for table, day in loads(D3)), DATA_ONLY,
        *(load(landing, table, day) for table, day in loads(D1)), DATA_ONLY, DATA_ONLY,
        *(load(landing, table, day) for table, day in loads(D2, D2, D3)), DATA_ONLY,
        warehouse=warehouse,
    )  # fmt: skip
    assert differing(warehouse, in_order) == {}
    dbt.run([*DATA_ONLY, "--full-refresh"], warehouse=warehouse)
    assert differing(warehouse, in_order) == {}


def window(first: str, end: str) -> list[str]:
    return ["--vars", json.dumps({"window_start": f"{first} 00:00:00", "window_end": f"{end} 00:00:00"})]


def test_windows_in_any_order_twice_and_overlapping_give_the_same_tables(
    dbt: Dbt, landing: Path, in_order: Path, tmp_path: Path
) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    days = "select flight_date::text, count(*) from dev_marts.fct_flights group by all order by all"
    dbt.run(["run-operation", "create_raw_tables"], DATA_ONLY, warehouse=warehouse)  # the table is there, and empty
    dbt.run(
        *(load(landing, table, day) for table, day in loads(D1, D2, D3)), ["build", *window(D3, "2013-01-04")],
        warehouse=warehouse,
    )  # fmt: skip
    assert rows(warehouse, days) == [(D3, 914)], "the window's days and no other; its tests ask for no other"
    dbt.run([*DATA_ONLY, *window(D1, D3)], [*DATA_ONLY, *window(D2, "2013-01-04")], warehouse=warehouse)
    assert differing(warehouse, in_order) == {}


def test_a_window_that_ends_before_it_starts_is_refused(dbt: Dbt, in_order: Path, tmp_path: Path) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    warehouse.write_bytes(in_order.read_bytes())
    (outcome,) = dbt.run(["run", "-s", "fct_flights", *window(D2, D1)], warehouse=warehouse, fails=True)
    assert "The window ends before it starts: 2013-01-02 00:00:00 to 2013-01-01 00:00:00" in told(outcome)


def test_a_reloaded_day_replaces_its_rows_and_nothing_else(
    dbt: Dbt, landing: Path, in_order: Path, tmp_path: Path
) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    warehouse.write_bytes(in_order.read_bytes())
    corrected = tmp_path / "corrected.csv.gz"
    with gzip.open(landing / f"flights/{D2}.csv.gz", "rt") as stream, gzip.open(corrected, "wt") as out:
        out.writelines(stream.readlines()[:101])
    dbt.run(load(landing, "flights", D2, corrected), ["build", "--select", "fct_flights"], warehouse=warehouse)
    days = (
        "select flight_date::text, count(*), count(distinct loaded_at) from dev_marts.fct_flights "
        "group by all order by all"
    )
    assert rows(warehouse, days) == [
        (D1, 842, 1), (D2, 100, 1), (D3, 914, 1),
    ]  # fmt: skip


def test_the_snapshot_keeps_what_a_plane_was(dbt: Dbt, landing: Path, in_order: Path, tmp_path: Path) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    warehouse.write_bytes(in_order.read_bytes())
    with gzip.open(landing / "planes.csv.gz", "rt") as stream:
        header, changed, gone, *rest = stream.readlines()
    assert ",55,," in changed
    registry = tmp_path / "planes.csv.gz"
    with gzip.open(registry, "wt") as out:
        out.writelines([header, changed.replace(",55,,", ",50,,"), *rest])
    build = ["build", "--select", "planes_history+"]
    dbt.run(load(landing, "planes", path=registry), build, ["snapshot"], warehouse=warehouse)

    plane = changed.split(",")[0]
    history = (
        "select seat_count, dbt_valid_to is null from dev_snapshots.planes_history "
        "where tail_number = '{}' order by dbt_valid_from"
    )
    assert rows(warehouse, history.format(plane)) == [(55, False), (50, True)]
    assert rows(warehouse, history.format(gone.split(",")[0])) == [(182, False)]
    assert rows(warehouse, "select count(*) from dev_snapshots.planes_history") == [(3323,)]
    assert rows(warehouse, f"select seat_count from dev_marts.aircraft where tail_number = '{plane}'") == [(50,)]


def test_a_build_on_the_first_day_with_empty_raw_tables(dbt: Dbt, tmp_path: Path) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    dbt.run(["run-operation", "create_raw_tables"], ["build"], ["run", "--select", "fct_flights"], warehouse=warehouse)
    assert rows(warehouse, "select count(*) from dev_marts.fct_flights") == [(0,)]
    assert rows(warehouse, "select count(*), sum(flights) from dev_marts.airlines") == [(16, 0)]


def test_a_load_that_fails_leaves_the_table_as_it_was(dbt: Dbt, landing: Path, in_order: Path, tmp_path: Path) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    warehouse.write_bytes(in_order.read_bytes())
    broken = tmp_path / "broken.csv.gz"
    with gzip.open(landing / f"flights/{D1}.csv.gz", "rt") as stream, gzip.open(broken, "wt") as out:
        out.write(stream.read().replace(",1400,", ",far,", 1))
    (outcome,) = dbt.run(load(landing, "flights", D1, broken), warehouse=warehouse, fails=True)
    assert "far" in told(outcome)
    assert differing(warehouse, in_order) == {}


def test_a_file_s_columns_are_found_by_name(dbt: Dbt, landing: Path, in_order: Path, tmp_path: Path) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    turned = tmp_path / "turned.csv.gz"
    with gzip.open(landing / "planes.csv.gz", "rt") as stream, gzip.open(turned, "wt") as out:
        out.writelines(",".join(reversed(line.strip().split(","))) + "\n" for line in stream)
    dbt.run(load(landing, "planes", path=turned), warehouse=warehouse)
    planes = "select * exclude (_loaded_at) from dev_raw.planes order by all"
    assert rows(warehouse, planes) == rows(in_order, planes)


WRONG_ARGUMENTS = [
    ({"table": "flight"}, "there is no raw table flight in models/staging/__sources.yml; there are flights, planes"),
    ({"table": "flights", "day": "2013-02-29"}, "day must be a date as 2013-01-31; got 2013-02-29"),
    ({"table": "flights", "day": "1' or '1' = '1"}, "day must be a date"),
    ({"table": "flights"}, 'flights is loaded by day; pass day, as in "day": "2013-01-31"'),
    ({"table": "planes", "day": D1}, "planes has no column _loaded_day and is replaced whole; don't pass day"),
    ({"table": "planes", "path": "/no/such/file.csv.gz"}, "there is no file /no/such/file.csv.gz"),
    ({"table": "planes", "path": "/tmp/*.csv.gz"}, "path must be one local file, without quotes and wildcards"),
    ({"table": "planes", "path": "/tmp/a'b"}, "path must be one local file, without quotes and wildcards"),
]


def test_wrong_arguments_get_words(dbt: Dbt, tmp_path: Path) -> None:
    commands = [
        ["run-operation", "load_raw", "--args", json.dumps({"path": "/tmp/file.csv.gz"} | arguments)]
        for arguments, _ in WRONG_ARGUMENTS
    ]
    outcomes = dbt.run(*commands, warehouse=tmp_path / "warehouse.duckdb", fails=True)
    for (arguments, words), outcome in zip(WRONG_ARGUMENTS, outcomes, strict=True):
        assert words in told(outcome), arguments


def told(outcome: dict) -> str:
    return "\n".join(outcome["lines"]) + str(outcome["error"])
