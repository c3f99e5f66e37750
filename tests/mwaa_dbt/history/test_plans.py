"""How SQLite answers what people ask: by indexes, whatever the number of results. (`bench/history.py` measures it.)"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from mwaa_dbt.history import queries
from mwaa_dbt.history.index import Index


class Explaining(Index):
    """Keeps the plan of each query that is asked."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.plans: list[str] = []

    def rows(self, sql: str, values: Iterable[Any] | dict[str, Any] = ()) -> list[dict[str, Any]]:
        """Return the rows of a query, and note its plan."""
        self.plans += [one["detail"] for one in super().rows(f"explain query plan {sql}", values)]
        return super().rows(sql, values)


ASKED: dict[str, Callable[[Index, set[str] | None], Any]] = {
    "runs": lambda index, dags: queries.recent_runs(index, dags, 1e9),
    "run": lambda index, dags: queries.run_tries(index, "d", "r"),
    "node": lambda index, dags: queries.results(index, ["model.p.a"], dags, 1.0),
    "failed": lambda index, dags: queries.results(index, None, dags, 1.0, failed=True),
    "latest": lambda index, dags: queries.results(index, None, dags, 1.0),
    "tests": lambda index, dags: queries.failing_tests(index, dags, 1.0),
    "slowest": lambda index, dags: queries.slowest(index, dags, 1.0),
    "search": lambda index, dags: queries.search(index, "a", dags),
    "dags": lambda index, dags: queries.dag_ids(index),
}


@pytest.mark.parametrize("dags", [None, {"d"}], ids=["all", "some"])
@pytest.mark.parametrize("name", ASKED)
def test_no_question_reads_all_results(tmp_path: Path, name: str, dags: set[str] | None) -> None:
    index = Explaining(tmp_path / "history.db")
    ASKED[name](index, dags)
    assert index.plans
    # A SEARCH goes by an index or a key; a SCAN reads a whole table, also if it does so in an index's order.
    tables = {plan.split()[1] for plan in index.plans if plan.startswith("SCAN")}
    assert not tables & {"results", "tries", "node_days"}, index.plans
