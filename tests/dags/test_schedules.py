"""When a DAG that is unpaused for the first time runs by itself."""

import json
import re
from datetime import timedelta

import airflow.timetables.trigger as timetables
import pendulum
import pytest
from airflow.timetables.base import TimeRestriction

from mwaactl.local.layout import REPOSITORY


@pytest.mark.parametrize("hour", [5, 6, 8, 12])
def test_flights_transform_waits_for_the_next_morning(monkeypatch: pytest.MonkeyPatch, hour: int) -> None:
    """At once it would find no raw tables: in the morning `make run` unpauses it before the first day is loaded."""
    made = re.search(r"^MORNINGS = (.*)$", (REPOSITORY / "dags" / "flights_transform.py").read_text(), re.MULTILINE)
    assert made
    names = {"CronTriggerTimetable": timetables.CronTriggerTimetable, "timedelta": timedelta}
    # As the scheduler has it: from its serialized form.
    text = json.dumps(eval(made[1], names).serialize())
    schedule = timetables.CronTriggerTimetable.deserialize(json.loads(text))
    now = pendulum.datetime(2026, 11, 22, hour, 30, tz="UTC")
    monkeypatch.setattr(timetables, "utcnow", lambda: now)
    found = schedule.next_dagrun_info(
        last_automated_data_interval=None, restriction=TimeRestriction(None, None, catchup=False)
    )
    assert found
    assert found.run_after == pendulum.datetime(2026, 11, 22 if hour < 6 else 23, 6, tz="UTC")
