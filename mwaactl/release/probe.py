"""Run by the Python of MWAA's Airflow, in a process of its own: imports a folder's DAG files, prints what it found.

Sockets are blocked, and looking up a Variable or a Connection is an error: parsing a DAG file must touch neither.
Standard library and Airflow only.
"""

from __future__ import annotations

import json
import socket
import sys
from typing import Any


def _refuse(what: str) -> object:
    def refused(*args: object, **_: object) -> None:
        raise RuntimeError(f"importing a DAG file used {what}; that belongs into a task")

    return refused


def main() -> None:
    """Print {"version", "errors": {file: traceback}, "dags": {dag id: file}} as the last line."""
    import airflow

    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:  # before 3.1
        from airflow.models.dagbag import DagBag  # type: ignore[no-redef]
    from airflow.sdk import Connection, Variable

    try:
        from airflow.sdk import BaseHook
    except ImportError:  # before 3.1
        from airflow.hooks.base import BaseHook  # type: ignore[no-redef, attr-defined]

    for name in ("connect", "connect_ex", "sendto"):
        setattr(socket.socket, name, _refuse("the network"))
    socket.getaddrinfo = _refuse("the network")  # type: ignore[assignment]
    Variable.get = _refuse("a Variable")  # type: ignore[assignment, method-assign]
    Connection.get = _refuse("a Connection")  # type: ignore[assignment, method-assign]
    BaseHook.get_connection = _refuse("a Connection")  # type: ignore[assignment, method-assign]

    folder = sys.argv[1]
    arguments: dict[str, Any] = {"include_examples": False} if airflow.__version__ < "3.1" else {}
    bag = DagBag(folder, **arguments)

    def inside(path: str) -> str:
        return path.removeprefix(folder).lstrip("/")

    answer = {
        "version": airflow.__version__,
        "errors": {inside(path): error for path, error in bag.import_errors.items()},
        "dags": {dag_id: inside(str(dag.fileloc)) for dag_id, dag in bag.dags.items()},
    }
    sys.stdout.write("\n" + json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
