"""What `make run` prints, apart from the running of it."""

import io
from typing import Any

import pytest
from rich.console import Console

from mwaactl.errors import Problem
from mwaactl.local import demo, report
from mwaactl.local.follow import Run

COLUMNS = ["flight_date", "carrier", "carrier_name", "delay"]
ROWS = [("2013-01-01", "UA", "United Air Lines Inc.", 12.345)]


def printed(width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(report.rows_table("mart", 1234, COLUMNS, ROWS, width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("width", "said", "shown"),
    [(160, "1,234 rows", 4), (50, "1,234 rows, 3 of 4 columns", 3), (34, "1,234 rows, 2 of 4 columns", 2)],
)
def test_rows_show_as_many_columns_as_fit_and_say_what_is_left_out(width: int, said: str, shown: int) -> None:
    title, header, row = printed(width).splitlines()
    assert f"mart ({said})" in title
    assert header.split() == COLUMNS[:shown]
    assert len(row) <= width


class Api:
    url = "http://ui"


def failures(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *operators: str) -> str:
    tasks: list[dict[str, Any]] = [
        {"task_id": f"t_{name}", "state": "failed", "try_number": 1, "operator": name} for name in operators
    ]
    monkeypatch.setattr("mwaactl.local.follow.log_lines", lambda *_: ["why"])
    api: Any = Api()
    report.show_failures(api, Run("d", "r", "failed", tasks, 0, 1))
    return capsys.readouterr().err


def test_the_outcome_is_no_second_failure(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    said = failures(monkeypatch, capsys, "DbtRunVirtualenvOperator", "Outcome")
    assert "t_DbtRunVirtualenvOperator failed" in said
    assert "t_Outcome" not in said
    assert "t_Outcome failed" in failures(monkeypatch, capsys, "Outcome")


@pytest.mark.parametrize(("day", "words"), [("2013-13-01", "is not a day"), ("2014-01-01", "There is no data of")])
def test_a_day_that_can_not_be_loaded(day: str, words: str) -> None:
    with pytest.raises(Problem, match=words):
        demo.day_interval(day)
    assert demo.day_interval("2013-12-31") == ("2013-12-31T00:00:00Z", "2014-01-01T00:00:00Z")
