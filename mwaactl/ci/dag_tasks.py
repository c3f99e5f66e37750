"""Run in a process of its own: parses a DAGs folder, given as the only argument, and prints its tasks as JSON.

The last line is {"errors": {file: text}, "dags": {dag_id: {"file": name, "tags": [...], "doc": text, "tasks":
{task_id: {"owner": name, "verb": dbt's command, "nodes": unique ids}}}}}. Files are relative to the folder.
"""

import json
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Parse and print."""
    from airflow.dag_processing.dagbag import DagBag

    folder = Path(sys.argv[1]).resolve()
    bag = DagBag(str(folder))
    dags: dict[str, dict[str, Any]] = {
        dag_id: {
            "file": str(Path(dag.fileloc).relative_to(folder)),
            "tags": sorted(dag.tags),
            "doc": dag.doc_md or "",
            "tasks": {
                task.task_id: {
                    "owner": task.owner,
                    "verb": (getattr(task, "base_cmd", None) or [""])[0],
                    "nodes": list(getattr(task, "node_ids", ())),
                }
                for task in dag.tasks
            },
        }
        for dag_id, dag in bag.dags.items()
    }
    errors = {Path(file).name: text.strip().splitlines()[-1] for file, text in bag.import_errors.items()}
    sys.stdout.write("\n" + json.dumps({"errors": errors, "dags": dags}) + "\n")


if __name__ == "__main__":
    main()
