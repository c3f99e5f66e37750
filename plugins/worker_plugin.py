"""Imports ahead of tasks (mwaa_dbt/preload.py), in those of Airflow's processes that fork them.

Airflow imports this file in every component, with Airflow itself where `core.lazy_load_plugins` is False.
"""

import sys

from airflow.plugins_manager import AirflowPlugin
from mwaa_dbt import preload, settings

if settings.preload() and preload.forks(sys.argv):
    preload.load()


class Preload(AirflowPlugin):
    """Adds nothing to Airflow: the import is all."""

    name = "mwaa_dbt_preload"
