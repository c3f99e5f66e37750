"""A run's window: which time of data incremental models take, from the form or from the run's data interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from airflow.sdk import Param

from mwaa_dbt.errors import SelectionError

FIRST, LAST = "first_day", "last_day"
START, END = "window_start", "window_end"


@dataclass(frozen=True)
class Window:
    """From `start` until before `end`, both UTC."""

    start: datetime
    end: datetime

    def dbt_vars(self) -> dict[str, str]:
        """Return the dbt vars that models read: ``window_start`` and ``window_end``, like ``2013-01-01 00:00:00``."""
        return {name: f"{moment:%Y-%m-%d %H:%M:%S}" for name, moment in ((START, self.start), (END, self.end))}


def params() -> dict[str, Param]:
    """Return the form's fields for a window."""
    return {
        FIRST: Param(
            None,
            type=["null", "string"],
            format="date",
            title="First day",
            description_md="Incremental models replace the days from here to the last one, and no other. "
            "Empty: the run's data interval, if it has one; else every day that has changed.",
        ),
        LAST: Param(None, type=["null", "string"], format="date", title="Last day", description_md="Included."),
    }


def of(params: Mapping[str, Any], interval: tuple[datetime, datetime] | None) -> Window | None:
    """Return the window that the form asks for, else the data `interval`; None if there is neither, or no such form.

    Raises:
        SelectionError: in words, if the days in the form are none, one is missing, or the last is before the first.
    """
    if FIRST not in params or LAST not in params:
        return None
    first, last = _day(params, FIRST), _day(params, LAST)
    if first is None and last is None:
        return Window(*interval) if interval else None
    if first is None or last is None:
        raise SelectionError(f"A window has {FIRST} and {LAST}: give both, or neither.")
    if last < first:
        raise SelectionError(f"The window ends before it starts: {FIRST} is {first}, {LAST} is {last}.")
    if last == date.max:
        raise SelectionError(f"{LAST} is {last}, after which there is no day: give the last day that has data.")
    start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    return Window(start, start + (last - first) + timedelta(days=1))


def data_interval(context: Mapping[str, Any]) -> tuple[datetime, datetime] | None:
    """Return the data interval of the run of `context`, UTC; None if it has none, or one of no length.

    A run by hand, by an asset or by a CronTriggerTimetable has none that says anything about data.
    """
    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    if start is None or end is None or end <= start:
        return None
    return start.astimezone(UTC), end.astimezone(UTC)


def _day(params: Mapping[str, Any], name: str) -> date | None:
    value = params.get(name)
    if value is None or value == "":
        return None
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise SelectionError(f"{name} must be a day like 2013-01-31, but is {value!r}.") from None
