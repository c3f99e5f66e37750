"""What can go wrong, as exceptions whose text says what happened, where, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mwaa_dbt.compat import AirflowException, AirflowFailException

if TYPE_CHECKING:
    from mwaa_dbt.causes import Cause
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
    """dbt ended with an error that a retry may mend. Carries what dbt said (`outcome`) and why it failed (`cause`)."""

    outcome: Outcome | None = None
    cause: Cause | None = None


class DbtFailedForGood(DbtError, AirflowFailException):
    """The next try would only fail again (causes.py), so Airflow doesn't make one."""


class DbtTestsFailed(DbtFailedForGood):
    """Nothing but tests failed: they would fail again on the same data."""


def of_outcome(text: str, outcome: Outcome) -> DbtError:
    """Return the exception for a command that failed as `outcome` tells; it adds to `text` why (not) again."""
    from mwaa_dbt import causes

    cause = causes.of(outcome)
    if outcome.only_tests_failed:
        kind: type[DbtError] = DbtTestsFailed
    else:
        kind = DbtError if cause.passes else DbtFailedForGood
    error = kind(f"{text}\n{_next(cause)}")
    error.outcome, error.cause = outcome, cause
    return error


def _next(cause: Cause) -> str:
    if cause.passes:
        return f"The next try may succeed ({cause.name}): tried again after a pause, if a try is left."
    return f"Not tried again, since it would only fail again: {cause.name}."
