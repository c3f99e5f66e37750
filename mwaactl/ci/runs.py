"""Whether production ran a release: DAG runs and their tasks, through InvokeRestApi."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mwaactl.environments import Environment
from mwaactl.errors import Problem
from mwaactl.release.rest import Rest

_PAGE = 100
_BUILT = ("model", "seed", "snapshot")
#: How Cosmos calls the tasks of a node: NAME.run in a group with its tests, NAME_run or NAME_model_build alone
#: (cosmos/airflow/graph.py, create_task_metadata).
_SUFFIXES = ("run", "seed", "snapshot", "model_build", "seed_build", "snapshot_build")


@dataclass(frozen=True)
class Run:
    """A DAG run: `conf` is what the trigger form held."""

    dag_id: str
    run_id: str
    state: str
    started: datetime | None
    conf: dict[str, Any]

    @property
    def name(self) -> str:
        """DAG and run, as `--dag-run` takes it."""
        return f"{self.dag_id}/{self.run_id}"


class Airflow:
    """What Airflow of `environment` says about its runs; MWAA takes short paths only, so they are found by query."""

    def __init__(self, environment: Environment) -> None:
        self._rest = Rest(environment)

    def dags(self, tag: str) -> list[str]:
        """Return the ids of the DAGs with the tag `tag`."""
        found = self._rest.all("/dags", "dags", {"tags": [tag], "exclude_stale": True})
        return sorted(dag["dag_id"] for dag in found)

    def runs(self, dag_id: str) -> list[Run]:
        """Return the last runs of the DAG, newest first."""
        query = {"order_by": "-start_date", "limit": _PAGE}
        return [_run(one) for one in self._rest.call("GET", f"/dags/{dag_id}/dagRuns", query)["dag_runs"]]

    def tasks(self, run: Run) -> dict[str, str]:
        """Return the state of each task of `run`, by its id; of a mapped one "success" only if all instances are."""
        instances: list[dict[str, Any]] = []
        while True:
            body = {
                "dag_ids": [run.dag_id],
                "dag_run_ids": [run.run_id],
                "page_limit": _PAGE,
                "page_offset": len(instances),
            }
            page = self._rest.call("POST", "/dags/~/dagRuns/~/taskInstances/list", body=body)
            instances += page["task_instances"]
            if not page["task_instances"] or len(instances) >= page["total_entries"]:
                break
        found: dict[str, str] = {}
        for one in instances:
            if found.get(one["task_id"], "success") == "success":
                found[one["task_id"]] = one["state"] or "none"
        return found


def _run(answer: dict[str, Any]) -> Run:
    started = answer.get("start_date")
    return Run(
        dag_id=answer["dag_id"],
        run_id=answer["dag_run_id"],
        state=answer["state"],
        started=datetime.fromisoformat(started) if started else None,
        conf=answer.get("conf") or {},
    )


def find(airflow: Airflow, named: Iterable[str], project: str) -> list[Run]:
    """Return the runs that `named` names (DAG_ID/RUN_ID, or DAG_ID for its newest); else the newest of each DAG of
    `project`: those with its name as a tag.

    Raises Problem when there is no such run.
    """
    found = []
    names = list(named)
    for name in names or airflow.dags(project):
        dag_id, _, run_id = name.partition("/")
        runs = [one for one in airflow.runs(dag_id) if run_id in ("", one.run_id)]
        if runs:
            found.append(runs[0])
        elif names:
            raise Problem(f"There is no run {name}.", "Look at the DAG's runs in the Airflow UI.")
    if not found:
        raise Problem(
            f"No DAG with the tag {project} has run yet.", "Run it, or name the run with --dag-run DAG_ID/RUN_ID."
        )
    return found


def objection(run: Run, released: datetime, target: str) -> str | None:
    """Return why the success of `run` says nothing about a release of the time `released`; None if it says all."""
    if run.state != "success":
        return f"{run.name} is {run.state}"
    if run.started is None or run.started < released:
        return f"{run.name} began before the release ({released:%Y-%m-%d %H:%M:%S} UTC)"
    if run.conf.get("select") or run.conf.get("exclude"):
        return f"{run.name} ran a part of the project only"
    if run.conf.get("target") not in (None, "", target):
        return f"{run.name} ran for the target {run.conf['target']}"
    if run.conf.get("vars"):
        return f"{run.name} ran with vars of its own"
    return None


@dataclass(frozen=True)
class Nodes:
    """Unique ids: of nodes whose task succeeded, of those whose task didn't, and of those that have none."""

    ran: list[str]
    left_out: list[str]
    without_task: list[str]


def nodes(manifest: dict[str, Any], tasks: dict[str, str]) -> Nodes:
    """Return what became of the nodes of dbt's `manifest`; `tasks` are the tasks' states by id."""
    by_name: dict[str, set[str]] = {}
    for task_id, state in tasks.items():
        *groups, last = task_id.split(".")
        bare = [last.removesuffix(f"_{suffix}") for suffix in _SUFFIXES if last.endswith(f"_{suffix}")]
        for name in groups[-1:] if last in _SUFFIXES else bare:
            by_name.setdefault(name, set()).add(state)
    ran: list[str] = []
    failed: list[str] = []
    without: list[str] = []
    for unique_id, node in manifest["nodes"].items():
        if node["resource_type"] not in _BUILT or node["config"].get("materialized") == "ephemeral":
            continue
        name = node["name"] + (f"_v{node['version']}" if node.get("version") else "")
        states = by_name.get(name)
        if states is None:
            without.append(unique_id)
        else:
            (ran if "success" in states else failed).append(unique_id)
    return Nodes(sorted(ran), sorted(failed), sorted(without))
