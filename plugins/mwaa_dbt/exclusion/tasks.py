"""What a DAG holds of a lock: a task that waits for the run's turn, and a look before every other task."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.sensor import BaseSensorOperator

from mwaa_dbt import left_out, settings
from mwaa_dbt.compat import AirflowRescheduleException
from mwaa_dbt.exclusion import turn
from mwaa_dbt.exclusion.store import check_name

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

WAIT_FOR_TURN = "wait_for_turn"
_TURN = "turn"


class WaitForTurn(BaseSensorOperator):
    """Waits until no other run of a DAG with the same lock works. It holds no slot while it waits.

    Args:
        lock: the lock's name.
    """

    ui_color = "#e8f7e4"
    #: Whether it is the last of the run's first tasks.
    leaves_out = False

    def __init__(self, *, lock: str, **kwargs: Any) -> None:
        self.lock = check_name(lock)
        poll = settings.lock_poll().total_seconds()
        # Not for what poke says, which is never retried: a busy scheduler may take the end of the last look for that of
        # the next and the task for lost (airflow/jobs/scheduler_job_runner.py, `process_executor_events`).
        again = {"retries": 10, "retry_delay": poll, "retry_exponential_backoff": False}
        super().__init__(**{"pre_execute": None, **kwargs, **again, "mode": "reschedule", "poke_interval": poll})

    def execute(self, context: Context) -> Any:
        """Wait; then skip what the run leaves out, unless another first task does.

        Raises:
            DownstreamTasksSkipped: with the tasks to be skipped.
            AirflowRescheduleException: if it isn't the run's turn yet.
            TurnRefused, ConfigurationError: as `poke` does.
        """
        found = super().execute(context)
        if self.leaves_out:
            left_out.skip(context)
        return found

    def poke(self, context: Context) -> bool:
        """Look at the lease; return whether it is the run's turn.

        Raises:
            TurnRefused: if it has waited for longer than the limit.
            ConfigurationError: if the bucket can't be used.
        """
        asker = turn.Asker.of(context)
        decision = turn.look(self.lock, asker)
        if decision is None or not decision.works:
            turn.say(self.lock, asker, decision, turn.first_look(context))
            return False
        log.info("The lock %r is this run's now.", self.lock)
        context["ti"].xcom_push(key=_TURN, value=asker.era)
        return True


class Guard:
    """A look before a task's work, as its `pre_execute`: it starts only if it is the run's turn.

    That is known without the bucket where `wait_for_turn` got the turn and nothing was cleared since. Otherwise (a
    task of an ended run was cleared; somebody marked `wait_for_turn` as successful) the task asks for it itself.
    """

    def __init__(self, lock: str) -> None:
        self.lock = check_name(lock)

    def __call__(self, context: Context) -> None:
        """Return if it is the run's turn.

        Raises:
            AirflowRescheduleException: if it isn't yet; the task holds no slot meanwhile.
            TurnRefused: if it has waited for longer than the limit.
            ConfigurationError: if the bucket can't be used.
        """
        asker = turn.Asker.of(context)
        if context["ti"].xcom_pull(task_ids=WAIT_FOR_TURN, key=_TURN, map_indexes=-1) == asker.era:
            return
        decision = turn.look(self.lock, asker)
        if decision is None or not decision.works:
            turn.say(self.lock, asker, decision, turn.first_look(context))
            raise AirflowRescheduleException(datetime.now(tz=UTC) + settings.lock_poll())
        log.info("The lock %r is this run's (again).", self.lock)

    def __deepcopy__(self, memo: dict[int, Any]) -> Guard:
        return self
