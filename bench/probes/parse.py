"""Parse a DAG file as the DAG processor, or as a worker for one task, does; a forked process per sample.

Runs in Airflow's virtualenv: `python parse.py < jobs.json` with a list of {"arm", "file", "dag_id"}, and "task_id" for
the parse of a worker. Prints one JSON object per job. Airflow, Cosmos and all that the files import is imported before.
"""

import contextlib
import gc
import importlib
import json
import logging
import os
import resource
import sys
import time
from pathlib import Path


def peak() -> float:
    """Return the most memory that this process ever held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def parse(job: dict) -> dict:
    """Parse the file once, and serialize the DAG unless it was parsed for a task."""
    from airflow.dag_processing.dagbag import DagBag
    from airflow.serialization.serialized_objects import DagSerialization

    task_id = job.get("task_id")
    if task_id:
        os.environ["_AIRFLOW_PARSING_CONTEXT_DAG_ID"] = job["dag_id"]
        os.environ["_AIRFLOW_PARSING_CONTEXT_TASK_ID"] = task_id
    before, began = peak(), time.perf_counter()
    bag = DagBag(job["file"], bundle_path=Path(job["file"]).parent, load_op_links=False)
    seconds, parsed = time.perf_counter() - began, peak()
    if bag.import_errors:
        raise SystemExit(f"{job['file']} does not parse: {bag.import_errors}")
    dag = bag.dags[job["dag_id"]]
    found = {"seconds": seconds, "peak_mb": parsed - before, "tasks": len(dag.tasks)}
    if task_id:
        dag.get_task(task_id)
        return found
    began = time.perf_counter()
    text = json.dumps(DagSerialization.to_dict(dag), separators=(",", ":"))
    serialized = {"serialize_seconds": time.perf_counter() - began, "serialized_bytes": len(text)}
    if job.get("edges"):
        found["edges"] = sorted([t.task_id, d] for t in dag.tasks for d in t.downstream_task_ids)
        found["task_ids"] = sorted(dag.task_ids)
    found |= serialized | {"peak_serialized_mb": peak() - before}
    if job.get("modules"):
        found["modules"] = [name for name in sys.modules if "unusual_prefix" not in name]
    return found


def forked(job: dict) -> str:
    """Do one job in a process of its own and return its result as JSON."""
    reading, writing = os.pipe()
    if not (pid := os.fork()):
        os.close(reading)
        status = 1
        try:
            os.dup2(2, 1)
            with os.fdopen(writing, "w") as answer:
                answer.write(json.dumps(parse(job)))
            status = 0
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    if os.waitpid(pid, 0)[1]:
        sys.exit(f"the parse of {job['file']} failed, see above")
    return text


def import_all(jobs: list) -> None:
    """Import here whatever these DAG files make Python import, so that no measured parse pays for it."""
    smallest = {}
    for job in jobs:
        smallest.setdefault(job.get("arm"), {"file": job["file"], "dag_id": job["dag_id"], "modules": True})
    for job in smallest.values():
        for name in json.loads(forked(job))["modules"]:
            with contextlib.suppress(Exception):
                importlib.import_module(name)


def main() -> None:
    """Do the jobs on standard input."""
    jobs = json.load(sys.stdin)
    logging.disable(logging.WARNING)
    with os.fdopen(os.dup(1), "w") as results:
        os.dup2(2, 1)  # Airflow logs warnings to standard output
        import_all(jobs)
        gc.collect()
        for job in jobs:
            print(forked(job), file=results, flush=True)


if __name__ == "__main__":
    main()
