"""What the processes of Airflow get that fork tasks: imports made ahead, and a look at the right moment.

Airflow imports this file in every component, with Airflow itself where `core.lazy_load_plugins` is False.
"""

import sys

from airflow.plugins_manager import AirflowPlugin
from mwaa_dbt import preload, prompt_end, settings

if preload.forks(sys.argv):
    if settings.preload():
        preload.load()
    if settings.prompt_end():
        prompt_end.install()


class Worker(AirflowPlugin):
    """Adds nothing to Airflow: the import is all."""

    name = "mwaa_dbt_worker"
