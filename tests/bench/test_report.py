"""The report's arithmetic, on samples whose result can be told without a computer."""

from pathlib import Path

import pytest

from bench import figures, report
from bench.__main__ import arguments, plan
from bench.results import Results, per_task


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """Two runs of ours, one of the floor and of stock, parses, and memory of one and four."""
    made = Results(tmp_path / "r.json", {"date": "2013-01-01", "state": "complete"})
    for arm, wall, run, test in (("ours", 11.0, 1.0, 0.5), ("ours", 13.0, 2.0, 0.5), ("noop", 10.0, 0.1, 0.1)):
        add_run(made, arm, wall, [run, run], [test, test])
    add_run(made, "virtualenv", 50.0, [12.0], [6.0])
    for arm, seconds, peak in (("ours", 1.0, 30.0), ("virtualenv", 4.0, 90.0)):
        parse = {"arm": arm, "size": 1000, "mode": "dag", "seconds": seconds, "peak_mb": peak, "tasks": 2}
        made.add("parse", parse)
    for count, total in ((1, 200.0), (4, 440.0)):
        made.add("memory", {"size": 1000, "way": "warm", "concurrent": count, "total_mb": total})
    return made


def add_run(results: Results, arm: str, wall: float, run: list[float], test: list[float]) -> None:
    kinds = {"run": run, "test": test}
    sample = {"arm": arm, "size": 100, "slots": 1, "sampled": True, "tasks": len(run + test), "wall": wall}
    results.add("runs", {**sample, "worker": sum(run + test), "durations": kinds})


def test_worker_time_weighs_the_medians_by_kind(results: Results) -> None:
    assert per_task(results, arm="ours") == pytest.approx((1.5 * 4 + 0.5 * 4) / 8)
    assert per_task(results, arm="watcher") is None


def test_figures_are_ratios_of_medians(results: Results) -> None:
    found = {figure.name: figure for figure in figures.figures(results)}
    wall = found["DAG run, ours / no-op tasks, 1 slot, 100 models"]
    assert (wall.measured, wall.reached) == (pytest.approx(1.2), False)
    worker = found["worker time, VIRTUALENV / ours, 100 models"]
    assert (worker.measured, worker.reached) == (pytest.approx(9.0), True)
    assert found["DAG processor's parse, stock / ours, 1,000 models"].measured == pytest.approx(4.0)
    assert found["DAG processor's memory, ours / stock, 1,000 models"].reached is True
    assert found["memory of one more concurrent task, 1,000 models"].measured == pytest.approx(80.0)
    assert found["dbt's part of a task, 5,000 models"].reached is None


def test_what_fits_leaves_room_for_the_worker_itself(results: Results) -> None:
    left = 2 * 1024 - figures.WORKER_BASE - 200
    assert figures.fitting(results, 1000, "warm", 2) == 1 + left // 80


def test_results_survive_and_become_tables(results: Results) -> None:
    text = report.markdown(Results.read(results.path))
    assert "4 of the DAG's" in text
    assert "**missed**" in text
    assert "Incomplete" not in text


def test_tables_go_between_the_markers_and_nowhere_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.into_document("new", page)
    report.into_document("newer", page)
    assert page.read_text() == f"before\n{report.BEGIN}\n\nnewer\n{report.END}\nafter\n"
    page.write_text("no markers")
    with pytest.raises(ValueError, match="no place"):
        report.into_document("new", page)


def test_the_command_line_chooses_and_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    chosen = plan(arguments(["--sizes", "100,10", "--arms", "noop,ours"]))
    assert (chosen.sizes, chosen.arms) == ([10, 100], ["noop", "ours"])
    with pytest.raises(SystemExit, match="no arm ourz"):
        plan(arguments(["--arms", "ourz"]))
