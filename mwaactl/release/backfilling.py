"""Days again, in one command: a DAG that takes its day from the data interval, or one whose form has a window."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from mwaactl.environments import Environment
from mwaactl.errors import Problem
from mwaactl.release import runs
from mwaactl.release.rest import Rest, RestError
from mwaactl.release.steps import Steps, bar

#: The form's fields (mwaa_dbt/window.py).
FIRST, LAST = "first_day", "last_day"


@dataclass(frozen=True)
class Days:
    """From `first` to `last`, both included."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise Problem(
                f"The window ends before it starts: --from {self.first} --to {self.last}.", "Turn the days around.", 2
            )


@dataclass(frozen=True)
class Backfill:
    """A backfill as it is now: Airflow's number of it, the moments it is to run for, and its runs."""

    dag_id: str
    number: int
    days: Days
    planned: frozenset[str]
    runs: tuple[dict[str, Any], ...]

    @property
    def failed(self) -> list[str]:
        """The ids of the runs that failed."""
        return sorted(run["dag_run_id"] for run in self.runs if run["state"] == "failed")

    @property
    def left_out(self) -> list[str]:
        """The moments that got no run: Airflow leaves out a day whose own run hasn't ended."""
        return sorted(self.planned - {_moment(run) for run in self.runs})

    @property
    def succeeded(self) -> bool:
        """Whether each of its moments has a run that ended well."""
        return not self.left_out and all(run["state"] == "success" for run in self.runs)

    @property
    def ended(self) -> bool:
        """Whether every run has ended."""
        return all(run["state"] in runs.ENDED for run in self.runs)

    def words(self) -> str:
        """Return where it is, in one line."""
        counts = Counter(run["state"] for run in self.runs)
        done = sum(counts[state] for state in runs.ENDED)
        text = bar(done, len(self.runs))
        return text + "".join(f", {counts[state]} {state}" for state in ("running", "failed") if counts[state])

    def as_data(self) -> dict[str, Any]:
        """Return it as plain data."""
        keys = ("dag_run_id", "logical_date", "state", "start_date", "end_date")
        ordered = sorted(self.runs, key=lambda run: run["logical_date"])
        return {
            "dag_id": self.dag_id,
            "succeeded": self.succeeded,
            "backfill": self.number,
            "from": str(self.days.first),
            "to": str(self.days.last),
            "runs": [{key: run.get(key) for key in keys} for run in ordered],
            "left_out": self.left_out,
        }


def has_window(environment: Environment, dag_id: str) -> bool:
    """Return whether the DAG's form has a window: then one run does all days. Raises Problem if there is no DAG."""
    rest = Rest(environment)
    runs.described(rest, dag_id)
    return FIRST in (rest.call("GET", f"{runs.path_of(dag_id)}/details").get("params") or {})


def check_over_days(environment: Environment, dag_id: str, unpause: bool) -> None:
    """Look whether one run of `dag_id` can follow over all days, before the days begin.

    Raises Problem when there is no such DAG, when its form has no window, or when it is paused and `unpause` isn't set.
    """
    if not has_window(environment, dag_id):
        raise Problem(
            f"{dag_id} takes no first and last day.", "`params=project.run_params(window=True)` in its DAG file."
        )
    if not unpause:  # otherwise not yet: it would run by its schedule beside the days
        runs.ready(Rest(environment), dag_id)


def conf(days: Days) -> dict[str, Any]:
    """Return the form's fields for `days`."""
    return {FIRST: str(days.first), LAST: str(days.last)}


def start(environment: Environment, dag_id: str, days: Days, active: int, unpause: bool = False) -> Backfill:
    """Start a backfill of `dag_id`: a run per day, `active` at a time, days that had one before included.

    Raises Problem, with Airflow's words, when the DAG has no such days or another backfill of it is under way.
    """
    rest = Rest(environment)
    runs.ready(rest, dag_id, unpause)
    body = {
        "dag_id": dag_id,
        "from_date": f"{days.first}T00:00:00Z",
        "to_date": f"{days.last}T00:00:00Z",
        "max_active_runs": active,
        "reprocess_behavior": "completed",
    }
    try:
        # The runs that there will be; Airflow's API doesn't say which belong to a backfill.
        planned = frozenset(_moment(one) for one in rest.call("POST", "/backfills/dry_run", body=body)["backfills"])
        if not planned:
            raise Problem(
                f"{dag_id} has no day from {days.first} to {days.last}.",
                "Look at its schedule, start_date and end_date, or choose other days.",
            )
        number = int(rest.call("POST", "/backfills", body=body)["id"])
    except RestError as error:
        raise Problem(
            f"{dag_id} refused the backfill: {error.what}",
            "Correct the days or the DAG. `airflow backfill` ends none: the UI does (*Backfills*, *Cancel*).",
        ) from error
    return _read(rest, Backfill(dag_id, number, days, planned, ()))


def follow(environment: Environment, backfill: Backfill, steps: Steps, limit: float) -> Backfill:
    """Return the backfill when its runs have ended. Raises Problem after `limit` seconds."""
    rest = Rest(environment)
    every = 1.0 if environment.is_local else runs.INTERVAL
    deadline = time.monotonic() + limit
    with steps.step(f"{backfill.dag_id} {backfill.days.first} to {backfill.days.last}") as told:
        while not backfill.ended:
            told(backfill.words())
            if time.monotonic() > deadline:
                raise Problem(
                    f"The backfill of {backfill.dag_id} has not ended after {limit:.0f} s: {backfill.words()}.",
                    "It goes on in Airflow (*Backfills*), where it can be paused and cancelled.",
                )
            time.sleep(every)
            backfill = _again(rest, backfill, told, every)
        told(backfill.words())
    return backfill


def _again(rest: Rest, old: Backfill, told: Callable[[str], None], every: float) -> Backfill:
    return runs.patiently(lambda: _read(rest, old), told, every)


def _read(rest: Rest, old: Backfill) -> Backfill:
    first, last = min(old.planned), max(old.planned)
    found = runs.listed(rest, dag_ids=[old.dag_id], logical_date_gte=first, logical_date_lte=last)
    mine = [run for run in found if run["run_type"] == "backfill" and _moment(run) in old.planned]
    return replace(old, runs=tuple(mine))


def _moment(entry: dict[str, Any]) -> str:
    return str(entry["logical_date"])
