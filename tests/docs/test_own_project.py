"""What docs/own-project.md says of the first run on schedule is what Airflow does."""

import re

import airflow.timetables.trigger as timetables
import pendulum
import pytest
from airflow.timetables.base import TimeRestriction
from pendulum import DateTime

from tests.docs import pages


def at(hour: int, minute: int = 0, *, day: int = 22) -> DateTime:
    return pendulum.datetime(2026, 11, day, hour, minute, tz="UTC")


@pytest.mark.parametrize(
    ("now", "start_date", "first"),
    [
        (at(5, 49), None, at(5)),
        (at(7, 23), None, at(5)),
        (at(7, 25), None, at(5, day=23)),
        (at(12), at(0, day=1), at(5)),
        (at(5, 49), at(0, day=23), at(5, day=23)),
    ],
)
def test_when_the_schedule_begins(
    monkeypatch: pytest.MonkeyPatch, now: DateTime, start_date: DateTime | None, first: DateTime
) -> None:
    text = pages.OWN_PROJECT.read_text()
    assert "between 5:00 and 7:24 UTC" in text
    schedule = re.search(r'schedule="(.*)"', text)
    assert schedule
    monkeypatch.setattr(timetables, "utcnow", lambda: now)
    made = timetables.CronTriggerTimetable(schedule[1], timezone="UTC").next_dagrun_info(
        last_automated_data_interval=None, restriction=TimeRestriction(start_date, None, catchup=False)
    )
    assert made
    assert made.run_after == first
