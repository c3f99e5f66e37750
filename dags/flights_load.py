"""# Load one day of raw flights

Loads what landed in the raw bucket for the run's data interval, one day, into the warehouse: flights, weather, and
the list of planes as a whole. A day can be loaded twice, or days in any order, and the tables are the same; so a
month is loaded again by a backfill, from the UI (*Trigger*, *Backfill*) or with
`airflow backfill create --dag-id flights_load --from-date 2013-01-01 --to-date 2013-01-31`.

Ends by updating the asset `flights_loaded`, which starts `flights_transform`.

**When it fails:** the alert says which table. A file that isn't there has not landed yet: the task tries again.
"""

import pendulum
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from airflow.timetables.interval import CronDataIntervalTimetable
from assets import FLIGHTS_LOADED
from mwaa_dbt import DbtProject, LoadRaw, alerting_defaults, run_alerts

# A run without a logical date has no data interval; LoadRaw says so.
DAY = "{{ data_interval_start.strftime('%Y-%m-%d') if data_interval_start is defined else 'none' }}"

flights = DbtProject("flights")

with DAG(
    "flights_load",
    schedule=CronDataIntervalTimetable("@daily", timezone="UTC"),
    start_date=pendulum.datetime(2013, 1, 1, tz="UTC"),
    end_date=pendulum.datetime(2013, 12, 31, 23, 59, 59, tz="UTC"),  # the data ends there
    catchup=False,
    default_args=alerting_defaults(),
    tags=["flights", "load"],
    doc_md=__doc__,
    **run_alerts(),
):
    tables = [
        LoadRaw(task_id="flights", project=flights, table="flights", key=f"raw/flights/{DAY}.csv.gz", day=DAY),
        LoadRaw(task_id="weather", project=flights, table="weather", key=f"raw/weather/{DAY}.csv.gz", day=DAY),
        LoadRaw(task_id="planes", project=flights, table="planes", key="raw/planes.csv.gz"),
    ]
    tables >> EmptyOperator(task_id="loaded", outlets=[FLIGHTS_LOADED])
