"""The last task of a DAG with a trigger form or a lock: a run with a failed task is a failed run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.sensor import BaseSensorOperator

from mwaa_dbt.compat import AirflowFailException
from mwaa_dbt.exclusion import ends, turn

if TYPE_CHECKING:
    from airflow.sdk import Context

_FAILED = ("failed", "upstream_failed")
ENDED = (*_FAILED, "success", "skipped", "removed")


class Outcome(BaseSensorOperator):
    """Waits until every other task of the run has ended, and fails if one failed.

    Airflow goes by a DAG's last tasks (airflow/models/dagrun.py, ``update_state``). Where the form left those out they
    are skipped at once, and a node that fails before them would pass for a success. It holds no slot while it waits.

    Args:
        lock: the DAG's lock, if it has one: the next run may have it at once when all has ended by itself.
    """

    ui_color = "#e8f7e4"

    def __init__(self, *, lock: str | None = None, **kwargs: Any) -> None:
        self.lock = lock
        # The failed task has sent its alert; nobody needs a second one.
        alone: dict[str, Any] = {"trigger_rule": "all_done", "on_failure_callback": None, "pre_execute": None}
        # Never for what poke says; but a busy scheduler may take a rescheduled task for lost (exclusion/tasks.py).
        alone |= {"retries": 10, "retry_delay": 10}
        super().__init__(**{**alone, "mode": "reschedule", "poke_interval": 10, **kwargs})

    def poke(self, context: Context) -> bool:
        """Look at the states of the run's tasks; return whether all have ended well.

        Raises:
            AirflowFailException: if all have ended and one failed; the text names those that did.
        """
        ti = context["ti"]
        states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id]).get(ti.run_id, {})
        states = {task_id: str(state) for task_id, state in states.items() if task_id != ti.task_id}
        if running := sorted(task_id for task_id, state in states.items() if state not in ENDED):
            self.log.info("%d tasks haven't ended yet, among them %s", len(running), ", ".join(running[:3]))
            return False
        failed = sorted(task_id for task_id, state in states.items() if state in _FAILED)
        causes = [task_id for task_id in failed if states[task_id] == "failed"] or failed
        if self.lock and ends.all_said(ti, (task_id for task_id in failed if states[task_id] == "failed")):
            turn.finish(self.lock, context)
        if failed:
            raise AirflowFailException(f"{len(causes)} failed: {', '.join(causes[:20])}. Clear them when it is mended.")
        return True
