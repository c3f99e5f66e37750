"""dbt on MWAA: what DAG files import."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mwaa_dbt.alerts import alerting_defaults, run_alerts
    from mwaa_dbt.exclusion.tasks import Guard, WaitForTurn
    from mwaa_dbt.load import LoadRaw
    from mwaa_dbt.outcome import Outcome
    from mwaa_dbt.project import DbtProject

__all__ = ["DbtProject", "Guard", "LoadRaw", "Outcome", "WaitForTurn", "alerting_defaults", "run_alerts"]

_HOMES = {
    "DbtProject": "project",
    "Guard": "exclusion.tasks",
    "LoadRaw": "load",
    "Outcome": "outcome",
    "WaitForTurn": "exclusion.tasks",
    "alerting_defaults": "alerts",
    "run_alerts": "alerts",
}


def __getattr__(name: str) -> Any:
    # On first use: mwaactl imports parts of this package that need no Airflow, which takes seconds to import.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
