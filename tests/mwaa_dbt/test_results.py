"""What dbt said, as records and sentences."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mwaa_dbt import results
from mwaa_dbt.results import NodeResult, Outcome


def node(unique_id: str, status: str, message: str = "") -> NodeResult:
    return NodeResult(unique_id, status, message, None, 0.0)


def test_reads_what_dbt_wrote(tmp_path: Path) -> None:
    entry = {"unique_id": "model.a.b", "status": "error", "message": None, "failures": None, "execution_time": 1.5}
    (tmp_path / "run_results.json").write_text(json.dumps({"results": [entry]}))
    assert results.read(tmp_path) == (NodeResult("model.a.b", "error", "", None, 1.5),)


@pytest.mark.parametrize("text", [None, "", '{"results": [{"unique'])
def test_nothing_where_dbt_wrote_none_or_was_killed(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "run_results.json").write_text(text)
    assert results.read(tmp_path) == ()


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([node("test.a.t.1", "fail")], True),
        ([node("unit_test.a.m.t", "fail"), node("model.a.b", "success")], True),
        ([node("test.a.t.1", "fail"), node("model.a.b", "error")], False),
        ([node("test.a.t.1", "error")], False),
        ([node("test.a.t.1", "warn")], False),
        ([node("test.a.t.1", "fail"), node("model.a.b", "skipped")], True),
        ([], False),
    ],
)
def test_only_tests_failed(nodes: list[NodeResult], expected: bool) -> None:
    assert Outcome(1, tuple(nodes)).only_tests_failed is expected


@pytest.mark.parametrize(
    ("unique_id", "name"),
    [
        ("model.zoo.fct_orders", "model fct_orders"),
        ("model.zoo.dim_customers.v2", "model dim_customers.v2"),
        ("test.zoo.unique_a_b.0123456789", "test unique_a_b"),
        ("unit_test.zoo.dim_customers.names", "unit test dim_customers"),
        ("snapshot.zoo.history", "snapshot history"),
    ],
)
def test_names(unique_id: str, name: str) -> None:
    assert node(unique_id, "error").name == name


def test_an_error_outside_of_nodes_starts_where_dbt_tells_of_it() -> None:
    log = (
        "10:00:00  Running with dbt=1.11",
        "10:00:01  Encountered an error:",
        "Compilation Error",
        "",
        "  no such ref",
    )
    assert Outcome(2, (), log).error_text() == "Encountered an error:\nCompilation Error\n  no such ref"
    assert Outcome(1, (), tuple(f"line {n}" for n in range(9))).error_text().splitlines()[0] == "line 4"
    assert Outcome(1).error_text() == ""


def test_hints_for_well_known_errors() -> None:
    locked = Outcome(1, (node("model.a.b", "error", "IO Error: Could not set lock on file 'x'"),))
    assert "one slot" in locked.hint()
    gone = Outcome(0, (), ("The selection criterion 'fqn:a' does not match any enabled nodes", "Nothing to do."))
    assert "build the manifest again" in gone.hint()
    assert Outcome(1, (node("model.a.b", "error", "division by zero"),)).hint() == ""


def test_the_tail_of_a_log() -> None:
    tail = results.LogTail(3)
    for number in range(5):
        tail.add(str(number))
    assert tail.lines() == ("2", "3", "4")


def test_the_tail_has_no_frames_of_tracebacks_and_no_exception_that_repeats_what_dbt_said() -> None:
    frames = ["Traceback (most recent call last):", *('  File "a.py", line 1, in a', "    a()", "    ^^^") * 100]
    log = ["10:00:01  Encountered an error:", "IO Error: it is locked", f"10:00:01  {frames[0]}", *frames[1:]]
    log += ["_duckdb.IOException: IO Error: it is locked", "", results._BETWEEN_TRACEBACKS[0], "", *frames]
    log += ["RuntimeError: and this is new:", "  with a second line"]
    tail = results.LogTail(10)
    for line in log:
        tail.add(line)
    words = [
        "Encountered an error:",
        "IO Error: it is locked",
        "RuntimeError: and this is new:",
        "  with a second line",
    ]
    assert Outcome(1, (), tail.lines()).error_text().splitlines() == words


def test_an_exception_without_a_word_of_dbts_is_the_error() -> None:
    tail = results.LogTail()
    for line in ("10:00:00  Running with dbt", "Traceback (most recent call last):", '  File "a.py"', "KeyError: 'a'"):
        tail.add(line)
    assert Outcome(1, (), tail.lines()).error_text() == "KeyError: 'a'"
