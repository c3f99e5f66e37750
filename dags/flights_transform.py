"""# Transform flights

Turns raw flights into marts, one task per dbt node: seeds, then staging, intermediate and marts, each node followed
by its tests (or as its `meta.test_behavior` says).

Begins with a look at the sources: what hangs below a stale one is skipped, the rest runs.

Runs when `flights_load` has loaded a day, every morning at six (UTC), and by hand: *Trigger* takes dbt's `select` and
`exclude`, a full refresh, another target, extra vars, and a first and last day. Without days, `fct_flights` takes each
day whose raw rows have changed; with them, those days and no other. Never at the same time as `flights_init`:
whichever comes second waits.

**When it fails:** the alert carries dbt's own error. Fix the model, release, then clear the failed task: it and what
waits for it run again.
"""

from datetime import timedelta

from airflow.sdk import DAG, chain
from airflow.timetables.assets import AssetOrTimeSchedule
from airflow.timetables.trigger import CronTriggerTimetable
from assets import FLIGHTS_LOADED
from layers import LAYERS
from mwaa_dbt import DbtProject, alerting_defaults, run_alerts

flights = DbtProject("flights", lock="flights")
# Unpaused for the first time, it waits for the next morning: Airflow would make up for this one, until half past eight.
MORNINGS = CronTriggerTimetable("0 6 * * *", timezone="UTC", run_immediately=timedelta(0))

with DAG(
    "flights_transform",
    schedule=AssetOrTimeSchedule(timetable=MORNINGS, assets=[FLIGHTS_LOADED]),
    catchup=False,
    max_active_runs=1,  # two runs would write the same tables
    params=flights.run_params(freshness=True, window=True),
    default_args=alerting_defaults(),
    tags=["flights", "dbt"],
    doc_md=__doc__,
    **run_alerts(),
):
    groups = [flights.task_group(name, select=[what]) for name, what in LAYERS.items()]
    chain(*groups, flights.docs())
