"""# Test flights

All tests of the dbt project and nothing else: of each node in a task, of several nodes once. They run in
`flights_transform` too, beside their models; here they say what the data is worth when nothing was built, and a
failure stops no model.

Runs every day at noon (UTC) and by hand: *Trigger* takes dbt's `select` and `exclude`, such as `fct_flights` or
`tag:daily`. Never at the same time as `flights_transform` or `flights_init`, whose half-written tables would fail
tests: whichever comes second waits.

**When it fails:** the alert carries the test, its rows and the query that shows them. Nothing waits for it. Once the
data is mended, clear the failed task *with downstream*, or `mwaactl resume flights_tests`: else the run stays failed.
"""

from airflow.sdk import DAG
from layers import LAYERS
from mwaa_dbt import DbtProject, alerting_defaults, run_alerts

flights = DbtProject("flights", lock="flights")

with DAG(
    "flights_tests",
    schedule="0 12 * * *",
    catchup=False,
    max_active_runs=1,
    params=flights.run_params(tests=True),
    default_args=alerting_defaults(),
    tags=["flights", "dbt"],
    doc_md=__doc__,
    **run_alerts(),
):
    for name, what in LAYERS.items():
        flights.test_group(name, select=[what])
