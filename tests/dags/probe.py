"""Run by the Python of one Airflow version, in a process of its own: parses the DAGs folder and prints what it holds.

Sockets are blocked, and looking up a Variable or a Connection is an error. Knows no module of this repository but the
DAGs folder and the library.
"""

from __future__ import annotations

import json
import socket
import sys


def _refuse(what: str) -> object:
    def refused(*args: object, **_: object) -> None:
        raise AssertionError(f"parsing a DAG file used {what}: {args[1:]}")

    return refused


def main() -> None:
    import airflow

    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:
        from airflow.models.dagbag import DagBag
    from airflow.sdk import Connection, Variable

    try:
        from airflow.sdk import BaseHook
    except ImportError:  # before 3.1
        from airflow.hooks.base import BaseHook

    for name in ("connect", "connect_ex", "sendto"):
        setattr(socket.socket, name, _refuse("the network"))
    socket.getaddrinfo = _refuse("the network")  # type: ignore[assignment]
    Variable.get = _refuse("a Variable")  # type: ignore[assignment, method-assign]
    Connection.get = _refuse("a Connection")  # type: ignore[assignment, method-assign]
    BaseHook.get_connection = _refuse("a Connection")  # type: ignore[assignment, method-assign]

    bag = DagBag(sys.argv[1], **({"include_examples": False} if airflow.__version__ < "3.1" else {}))
    dags = {}
    for dag_id, dag in bag.dags.items():
        dags[dag_id] = {
            "file": dag.fileloc,
            "owner": sorted({task.owner for task in dag.tasks if task.task_id != "outcome"}),
            "tags": sorted(dag.tags),
            "doc": dag.doc_md or "",
            "params": sorted(dag.params),
            "alerts": sorted({str(bool(task.on_failure_callback)) for task in dag.tasks if task.task_id != "outcome"}),
            "run_alerts": bool(dag.on_failure_callback and dag.on_success_callback),
            "tasks": {
                task.task_id: {
                    "operator": type(task).__name__,
                    "upstream": sorted(task.upstream_task_ids),
                    "retries": task.retries,
                    "pool": task.pool,
                    "project_dir": str(getattr(task, "project_dir", "")),
                    "command": command(task),
                }
                for task in dag.tasks
            },
        }
    answer = {"version": airflow.__version__, "errors": bag.import_errors, "dags": dags}
    sys.stdout.write("\n" + json.dumps(answer) + "\n")


def command(task: object) -> list[str]:
    if not hasattr(task, "build_cmd"):
        return []
    return list(task.build_cmd({}, cmd_flags=task.add_cmd_flags())[0][1:])  # type: ignore[attr-defined]


main()
