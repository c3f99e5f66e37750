"""Operators that are made and connected without the work that Cosmos and Airflow repeat for every task.

Cosmos' constructors ask ``inspect`` at each of five levels which argument belongs to whom
(cosmos/operators/local.py:990-1010, 1.15.1): 1 ms a task. Airflow hashes the whole DAG for every edge
(airflow/sdk/definitions/_internal/node.py, ``_set_relatives``): quadratic in the tasks. Here both are done once.
tests/mwaa_dbt/test_lean.py compares every attribute and edge with what the stock way gives.
"""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from airflow.sdk import BaseOperator
from cosmos import settings as cosmos_settings
from cosmos.constants import InvocationMode
from cosmos.operators.base import AbstractDbtBase
from cosmos.operators.local import AbstractDbtLocalBase
from cosmos.operators.virtualenv import DbtVirtualenvBaseOperator

_DBT_ARGS = frozenset(
    {
        *inspect.signature(AbstractDbtBase.__init__).parameters,
        *inspect.signature(AbstractDbtLocalBase.__init__).parameters,
    }
    - {"self", "task_id", "kwargs"}
)
#: Arguments of DbtVirtualenvBaseOperator, which this library's operators have no use for: the virtualenv is prebuilt.
_VIRTUALENV: dict[str, Any] = {
    "py_requirements": None,
    "pip_install_options": None,
    "py_system_site_packages": False,
    "virtualenv_dir": None,
    "is_virtualenv_dir_temporary": False,
}
#: Cosmos logs an error for every task at every parse unless it finds a requirement (virtualenv.py:93).
_REQUIREMENTS = ["startup.sh"]


class LeanOperator(DbtVirtualenvBaseOperator):
    """Base of the virtualenv operators. `lean=False` brings back the stock constructors and edges."""

    #: Arguments of the command's own mixin in Cosmos, with their defaults.
    command_args: ClassVar[dict[str, Any]] = {}

    def __init__(self, *, task_id: str, lean: bool = True, **kwargs: Any) -> None:
        self.lean = lean
        if not lean:
            super().__init__(task_id=task_id, **{"py_requirements": list(_REQUIREMENTS), **kwargs})
            return
        for name, default in self.command_args.items():
            setattr(self, name, kwargs.pop(name, default))
        for name in _VIRTUALENV:
            kwargs.pop(name, None)
        self.py_requirements = list(_REQUIREMENTS)
        self.pip_install_options: list[str] = []
        self.py_system_site_packages = False
        self.virtualenv_dir = None
        self.is_virtualenv_dir_temporary = False
        self.max_retries_lock = cosmos_settings.virtualenv_max_retries_lock
        self._py_bin = None
        kwargs["invocation_mode"] = InvocationMode.SUBPROCESS
        from_dag = {name: value for name, value in (kwargs.get("default_args") or {}).items() if name in _DBT_ARGS}
        dbt_args = {**from_dag, **{name: kwargs.pop(name) for name in _DBT_ARGS.intersection(kwargs)}}
        AbstractDbtLocalBase.__init__(self, task_id=task_id, **dbt_args)
        BaseOperator.__init__(self, task_id=task_id, **kwargs)

    def set_downstream(self, task_or_task_list: Any, edge_modifier: Any = None) -> None:
        """Set a node, or several, to be directly downstream from this task, as Airflow does."""
        nodes = task_or_task_list if isinstance(task_or_task_list, (list, tuple)) else [task_or_task_list]
        roots = [root for node in nodes for root in node.roots]
        if not self.lean or edge_modifier is not None or any(root.dag is not self.dag for root in roots):
            super().set_downstream(task_or_task_list, edge_modifier)
            return
        for node in nodes:
            node.update_relative(self, upstream=True)
        for root in roots:
            self.downstream_task_ids.add(root.node_id)
            root.upstream_task_ids.add(self.node_id)
