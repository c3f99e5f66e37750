"""Tasks of one group, copied from the first of their kind.

Of the tasks of one group that run the same command, Airflow's and Cosmos' constructors compute 130 attributes each, of
which five differ (airflow/sdk/bases/operator.py, `BaseOperator.__init__` and `__setattr__`). So they run once for each
kind of task, and the others take over what they computed. tests/mwaa_dbt/test_copies.py compares each attribute.
"""

from __future__ import annotations

import copy
import sys
from dataclasses import dataclass
from typing import Any

from airflow.sdk import DAG, BaseOperator, TaskGroup
from airflow.sdk.definitions.param import ParamsDict

#: Arguments of one task alone, each kept in an attribute of its name and used for nothing else.
OWN = frozenset({"select", "models", "exclude", "extra_context", "node_ids", "owner", "task_display_name"})
_RENAMED = {"task_display_name": "_task_display_name"}
#: What joining a DAG and a group sets, and what is made when first asked for.
_JOINED = frozenset({"task_id", "task_group", "_dag", "_log", "_cached_logger"})
_airflow = sys.modules[BaseOperator.__module__]


class Copies:
    """Makes the tasks of one group."""

    def __init__(self) -> None:
        self._kinds: dict[Any, _Kind] = {}

    def make(
        self, operator: type[BaseOperator], task_id: str, dag: DAG, group: TaskGroup, arguments: dict[str, Any]
    ) -> BaseOperator:
        """Return what ``operator(task_id=task_id, dag=dag, task_group=group, **arguments)`` returns."""
        own = {name: value for name, value in arguments.items() if name in OWN}
        shared = {name: value for name, value in arguments.items() if name not in OWN}
        key = operator, frozenset(own)
        kind = self._kinds.get(key)
        if kind is not None and kind.has(shared) and not _airflow.SetupTeardownContext.active:
            return kind.copy(task_id, dag, group, own)
        task = operator(task_id=task_id, dag=dag, task_group=group, **arguments)
        if kind is None and not task.upstream_task_ids:  # an argument is another task's result: Airflow connects them
            self._kinds[key] = _Kind.of(task, shared)
        return task


@dataclass(frozen=True)
class _Kind:
    """The attributes of the first task of a kind, as they were when it was made."""

    operator: type[BaseOperator]
    shared: dict[str, Any]
    state: dict[str, Any]
    mutable: tuple[str, ...]

    @classmethod
    def of(cls, task: BaseOperator, shared: dict[str, Any]) -> _Kind:
        state = {name: value for name, value in vars(task).items() if name not in _JOINED}
        mutable = [name for name, value in state.items() if type(value) in (list, dict, set, ParamsDict)]
        state |= {name: copy.copy(state[name]) for name in mutable}
        return cls(type(task), shared, state, tuple(mutable))

    def has(self, shared: dict[str, Any]) -> bool:
        """Say whether a task with these arguments is of this kind: they are the same objects, or simple and equal."""
        return self.shared.keys() == shared.keys() and all(
            mine is shared[name] or (type(mine) is type(shared[name]) in (str, int, bool) and mine == shared[name])
            for name, mine in self.shared.items()
        )

    def copy(self, task_id: str, dag: DAG, group: TaskGroup, own: dict[str, Any]) -> BaseOperator:
        """Return a task of this kind, in its DAG and group."""
        task = object.__new__(self.operator)
        state = vars(task)
        state.update(self.state)
        for name in self.mutable:
            state[name] = copy.copy(state[name])
        state["task_id"] = group.child_id(task_id)
        for name, value in own.items():
            state[_RENAMED.get(name, name)] = value
        # As BaseOperator.__init__ does, in its order.
        group.add(task)
        state["task_group"] = group
        _airflow.validate_key(task.task_id)
        state["_dag"] = dag
        dag.add_task(task)
        kwargs = state["_BaseOperator__init_kwargs"]
        kwargs |= {**own, "task_id": task_id, "dag": dag, "task_group": group}
        return task
