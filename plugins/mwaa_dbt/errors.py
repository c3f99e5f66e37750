"""What can go wrong, as exceptions whose text says what happened, where, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mwaa_dbt.compat import AirflowException, AirflowFailException

if TYPE_CHECKING:
    from mwaa_dbt.results import Outcome


class MwaaDbtError(AirflowException):
    """Any problem that this library reports itself; may pass by on the next try."""


class ConfigurationError(MwaaDbtError, AirflowFailException):
    """A setting, file or connection is wrong: a retry would only fail again, so Airflow doesn't make one."""


class ManifestError(ConfigurationError):
    """The render manifest is missing, damaged, or not the one of this project."""


class SelectionError(ConfigurationError):
    """The run's select, exclude, target or vars can't be used."""


class ConnectionError(ConfigurationError):
    """The warehouse connection is missing, of an unknown type, or lacks a field."""


class TurnRefused(MwaaDbtError, AirflowFailException):
    """A run waited for its turn for longer than the limit."""


class DbtError(MwaaDbtError):
    """dbt ended with an error that a retry may mend. Carries what dbt said (``outcome``: results.Outcome)."""

    outcome: Outcome | None = None


class DbtTestsFailed(DbtError, AirflowFailException):
    """Nothing but tests failed: they would fail again on the same data, so Airflow doesn't retry."""
