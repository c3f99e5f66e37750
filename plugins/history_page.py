"""The page "dbt history" in Airflow's UI; mwaa_dbt/history/page/ is what it is made of.

Airflow imports this file in every component, so that nothing else is imported before the first request. Airflow 3.0 has
no place for such a page (external views came with 3.1), and where no history is kept (`mwaa_dbt.history`,
`mwaa_dbt.bucket`) there is nothing to show: then this plugin adds nothing.
"""

from airflow import __version__
from airflow.plugins_manager import AirflowPlugin
from mwaa_dbt import settings
from mwaa_dbt.history.page import PREFIX, Page

_SHOWN = settings.history() is not None and not __version__.startswith("3.0.")


class HistoryPage(AirflowPlugin):
    """Adds the page to the menu *Browse*."""

    name = "mwaa_dbt_history"
    fastapi_apps = [{"name": "dbt history", "app": Page(), "url_prefix": PREFIX}] if _SHOWN else []
    external_views = (
        [
            {
                "name": "dbt history",
                "href": f"{PREFIX}/",
                "destination": "nav",
                "category": "browse",
                "url_route": "dbt_history",
            }
        ]
        if _SHOWN
        else []
    )
