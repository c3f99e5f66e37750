"""What Airflow and the DAG's files say of a run that has ended. Works in the DAG processor, where no database is."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mwaa_dbt.alerts import describe, owners, run_target, silences
from mwaa_dbt.alerts.event import Event, RunKey
from mwaa_dbt.outcome import Outcome

log = logging.getLogger(__name__)

_NO_WORD = (
    "No word came from this task: it was killed (out of memory?), lost, or marked as failed by a person. "
    "Its log may say more."
)


@dataclass(frozen=True)
class EndedRun:
    """A run that has ended: its DAG, whether it succeeded, and each task's state (empty: Airflow didn't say)."""

    key: RunKey
    dag: Any
    success: bool
    states: dict[str, str]
    #: What Airflow says of the run's form: ``dag_run`` and ``params``, where it says anything.
    form: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, context: Mapping[str, Any]) -> EndedRun:
        """Return the run of a DAG callback's `context` (airflow/dag_processing/processor.py)."""
        dag, dag_run = context["dag"], context.get("dag_run")
        run_id = str(context.get("run_id") or getattr(dag_run, "run_id", ""))
        state = getattr(dag_run, "state", None)
        success = str(getattr(state, "value", state)) == "success" or context.get("reason") == "success"
        key = RunKey(dag.dag_id, run_id)
        # The form's last task fails because others did: it is no failure of its own.
        own = {task.task_id for task in dag.tasks if isinstance(task, Outcome)}
        states = {name: state for name, state in _states(context, key).items() if name not in own}
        form = {name: context[name] for name in ("dag_run", "params") if name in context}
        return cls(key, dag, success, states, form)

    @property
    def target(self) -> str:
        """The run's dbt target; empty: nobody knows it."""
        return run_target.of_run(self.form)

    @property
    def failed(self) -> list[str]:
        """The names of the failed tasks."""
        return sorted(name for name, state in self.states.items() if state == "failed")

    def without_word(self, name: str) -> Event:
        """Return the event of the failed task `name`, of which no callback told."""
        task_id, _, index = name.rpartition("_")
        task = self.dag.task_dict.get(name) or (self.dag.task_dict.get(task_id) if index.isdigit() else None)
        return describe.without_word(task, self.key, name, _NO_WORD, self.form)

    def notes(self) -> list[str]:
        """Return what is to be corrected in the projects' own files about alerts, expired silences included."""
        folders = {Path(folder) for task in self.dag.tasks if (folder := getattr(task, "project_dir", None))}
        return [note for folder in sorted(folders) for note in (*owners.read(folder)[1], *silences.problems(folder))]


def _states(context: Mapping[str, Any], key: RunKey) -> dict[str, str]:
    try:
        ti: Any = context.get("ti")
        if ti is None:  # the run's last task is gone
            from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

            ti = RuntimeTaskInstance
        found = ti.get_task_states(dag_id=key.dag_id, run_ids=[key.run_id]).get(key.run_id, {})
    except Exception:  # older DAG processors may not answer this
        log.warning("Airflow doesn't say how the run's tasks ended; its end is told without counts.", exc_info=True)
        return {}
    return {name: str(getattr(state, "value", state)) for name, state in found.items()}
