"""Which nodes hang below a source, and how stale it is in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mwaa_dbt import staleness

MANIFEST: dict[str, Any] = {
    "nodes": {
        "model.p.a": {"depends_on": {"nodes": ["source.p.raw.one"]}},
        "model.p.b": {"depends_on": {"nodes": ["source.p.raw.two", "model.p.a"]}},
        "model.p.c": {"depends_on": {"nodes": ["source.p.raw.two"]}},
        "test.p.t": {"depends_on": {"nodes": ["model.p.b", "model.p.c"]}},
        "seed.p.s": {"depends_on": {"nodes": []}},
    },
    "sources": {
        "source.p.raw.one": {"freshness": {"warn_after": {"count": None}, "error_after": {"count": 7}}},
        "source.p.raw.two": {"freshness": {"warn_after": {"count": 1, "period": "day"}, "error_after": None}},
        "source.p.raw.three": {"freshness": None},
        "source.p.raw.four": {"freshness": {"warn_after": {"count": None}, "error_after": {"count": None}}},
    },
}


def test_only_sources_with_a_limit_are_looked_at() -> None:
    assert staleness.checked(MANIFEST) == {"source.p.raw.one", "source.p.raw.two"}


def test_what_hangs_below_a_source_tests_included() -> None:
    assert staleness.below(MANIFEST, ["source.p.raw.one", "source.p.raw.two", "source.p.raw.three"]) == {
        "source.p.raw.one": {"model.p.a", "model.p.b", "test.p.t"},
        "source.p.raw.two": {"model.p.b", "model.p.c", "test.p.t"},
        "source.p.raw.three": set(),
    }


CRITERIA = {"warn_after": {"count": 2, "period": "day"}, "error_after": {"count": 7, "period": "day"}}


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (
            {"status": "error", "max_loaded_at": "2013-01-01T06:30:00+00:00", "max_loaded_at_time_ago_in_s": 864000},
            "its newest row is of 2013-01-01 06:30, 10 days before; more than 7 days is too old",
        ),
        (
            {"status": "warn", "max_loaded_at": "2013-01-01T06:30:00+00:00", "max_loaded_at_time_ago_in_s": 169000},
            "its newest row is of 2013-01-01 06:30, 47 hours before; more than 2 days is too old",
        ),
        (
            {"status": "error", "max_loaded_at": "0001-01-01T00:00:00", "max_loaded_at_time_ago_in_s": 6.3e10},
            "it has no rows; more than 7 days is too old",
        ),
        ({"status": "runtime error", "error": "no such table"}, "no such table"),
    ],
)
def test_the_words(tmp_path: Path, result: dict[str, Any], words: str) -> None:
    content = {"results": [{"unique_id": "source.p.raw.one", "criteria": CRITERIA, **result}]}
    (tmp_path / "sources.json").write_text(json.dumps(content))
    (found,) = staleness.read(tmp_path)
    assert found.words == words
    assert found.status == result["status"]


def test_nothing_where_dbt_left_nothing_or_half_of_it(tmp_path: Path) -> None:
    assert staleness.read(tmp_path) == ()
    (tmp_path / "sources.json").write_text('{"results": [')
    assert staleness.read(tmp_path) == ()
