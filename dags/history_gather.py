"""# Gather dbt's results

Puts the results of each day, which tasks write one by one, into one object a day, so that `mwaactl history`, the page
*dbt history* and Athena read years in seconds. Sends results that waited on the worker it runs on. Adds only; may run
at any time, twice, or not at all: then reading is slow, and nothing is lost.

**When it fails:** the environment's bucket can't be read or written; the log says why. The next run catches up.
"""

import pendulum
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG
from mwaa_dbt import alerting_defaults, run_alerts
from mwaa_dbt.history import housekeeping

with DAG(
    "history_gather",
    schedule="23 * * * *",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args=alerting_defaults(),
    tags=["history"],
    doc_md=__doc__,
    **run_alerts(),
):
    PythonOperator(task_id="gather", python_callable=housekeeping.gather)
