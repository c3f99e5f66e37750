"""The fields of a result: documented, declared to Athena, and written (test_task.py) alike."""

from __future__ import annotations

import re
from typing import Any

import yaml

from mwaactl.local.layout import REPOSITORY


class _Loader(yaml.SafeLoader):
    """Takes CloudFormation's tags as their values."""


_Loader.add_multi_constructor("!", lambda loader, _, node: loader.construct_scalar(node))  # type: ignore[no-untyped-call]


def template() -> dict[str, Any]:
    return dict(yaml.load((REPOSITORY / "infra" / "history.yaml").read_text(), _Loader))


def columns(table: str) -> dict[str, str]:
    declared = template()["Resources"][table]["Properties"]["TableInput"]["StorageDescriptor"]["Columns"]
    return {one["Name"]: one["Type"] for one in declared}


def fields() -> dict[str, str]:
    """Return the fields that docs/history.md lists, with their types."""
    page = (REPOSITORY / "docs" / "history.md").read_text().partition("## Fields")[2]
    return dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", page, re.MULTILINE))


def test_athena_knows_every_field_in_both_tables() -> None:
    assert len(fields()) > 30
    assert columns("Results") == columns("Days") == fields()


def test_tables_lie_where_results_are_written() -> None:
    for table, folder in (("Results", "results"), ("Days", "days")):
        parameters = template()["Resources"][table]["Properties"]["TableInput"]["Parameters"]
        assert parameters["storage.location.template"].endswith(f"/{folder}/dt=${{!dt}}/")
        assert parameters["projection.dt.type"] == "date"
