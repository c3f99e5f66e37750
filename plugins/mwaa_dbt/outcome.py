"""The last task of a DAG with a trigger form: a run with a failed task is a failed run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from mwaa_dbt.compat import AirflowFailException

if TYPE_CHECKING:
    from airflow.sdk import Context

_FAILED = ("failed", "upstream_failed")


class Outcome(BaseOperator):
    """Fails if any other task of the run failed.

    Airflow goes by a DAG's last tasks (airflow/models/dagrun.py, ``update_state``). Where the form left those out they
    are skipped, and a node that failed before them would pass for a success.
    """

    ui_color = "#e8f7e4"

    def __init__(self, **kwargs: Any) -> None:
        # The failed task has sent its alert; nobody needs a second one.
        super().__init__(**{"retries": 0, "trigger_rule": "all_done", "on_failure_callback": None, **kwargs})

    def execute(self, context: Context) -> None:
        """Look at the states of the run's tasks.

        Raises:
            AirflowFailException: if one failed; the text names those that did.
        """
        ti = context["ti"]
        states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id]).get(ti.run_id, {})
        failed = sorted(task_id for task_id, state in states.items() if str(state) in _FAILED)
        causes = [task_id for task_id in failed if str(states[task_id]) == "failed"] or failed
        if failed:
            raise AirflowFailException(f"{len(causes)} failed: {', '.join(causes[:20])}. Clear them when it is mended.")
        self.log.info("No task of this run failed.")
