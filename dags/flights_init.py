"""# Build flights from scratch

Seeds, the snapshot's start, and a full refresh of all models with all their tests, in the target that the form names.

Runs by hand and at the end of a deployment: after a change that incremental models can't follow, or in a new
environment. Never at the same time as `flights_transform`: whichever comes second waits, its task `wait_for_turn`
says for whom. After a success in production the docs are published, and the manifest as the state that pull requests
are compared with. Slack gets a summary of each run, success or not.

**When it fails:** the alert carries dbt's own error. Fix the model, release, then clear the failed task: it and what
waits for it run again. `flights_transform` goes on meanwhile.
"""

from airflow.sdk import DAG, chain
from layers import LAYERS
from mwaa_dbt import DbtProject, alerting_defaults, run_alerts

flights = DbtProject("flights", lock="flights")

with DAG(
    "flights_init",
    schedule=None,
    max_active_runs=1,
    params=flights.run_params(whole=True),
    default_args=alerting_defaults(),
    tags=["flights", "dbt"],
    doc_md=__doc__,
    **run_alerts(summary=True),
):
    groups = [flights.task_group(name, select=[what]) for name, what in LAYERS.items()]
    chain(*groups, [flights.docs(), flights.publish_state()])
