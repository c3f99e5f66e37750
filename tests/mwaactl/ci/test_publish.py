"""`mwaactl manifest publish`: which runs make the released project the state, and which don't."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mwaa_dbt import state as states

from mwaactl.ci import publish, runs
from mwaactl.errors import Problem
from tests.mwaactl.ci.production import Production
from tests.mwaactl.release.mwaa import Mwaa, serving

DAG, RUN = "shop_daily", "scheduled__2026-01-01T00:00:00+00:00"
TASKS = {"orders_seed": "success", "models.kept_run": "success", "models.total.run": "success",
         "models.total.test": "success", "history_snapshot": "success", "notify": "success"}  # fmt: skip


@dataclass
class Ran:
    """What Airflow says of the DAG's last run."""

    state: str = "success"
    started: timedelta = timedelta(minutes=1)  # from now
    conf: dict[str, Any] = field(default_factory=dict)
    tasks: dict[str, str] = field(default_factory=lambda: dict(TASKS))
    mapped: dict[str, list[str]] = field(default_factory=dict)  # states of a mapped task's instances


@pytest.fixture
def airflow(shop: Production) -> Iterator[tuple[Production, Ran]]:
    """Production with a DAG `shop_daily`, tagged `shop`, whose last run is to be described."""
    mwaa = Mwaa(shop.s3, shop.environment.bucket, shop.environment.mwaa)
    ran = Ran()

    def dag_runs(query: dict[str, Any], _: Any) -> dict[str, Any]:
        assert query["order_by"] == "-start_date"
        run = {"dag_id": DAG, "dag_run_id": RUN, "state": ran.state, "conf": ran.conf}
        return {"dag_runs": [{**run, "start_date": (datetime.now(UTC) + ran.started).isoformat()}], "total_entries": 1}

    def tasks(_: Any, body: dict[str, Any]) -> dict[str, Any]:
        assert (body["dag_ids"], body["dag_run_ids"]) == ([DAG], [RUN])
        found = [{"task_id": name, "state": state} for name, state in ran.tasks.items()]
        found += [{"task_id": name, "state": state} for name, states in ran.mapped.items() for state in states]
        assert body["page_offset"] < len(found), "asked for more than there is"
        page = found[body["page_offset"] :][:2]
        return {"task_instances": page, "total_entries": len(found)}

    mwaa.rest = {
        ("GET", "/dags"): lambda query, _: {"dags": [{"dag_id": DAG}] if query["tags"] == ["shop"] else []},
        ("GET", f"/dags/{DAG}/dagRuns"): dag_runs,
        ("POST", "/dags/~/dagRuns/~/taskInstances/list"): tasks,
    }
    with serving(mwaa) as url:
        shop.environment = replace(shop.environment, endpoints={**shop.environment.endpoints, "mwaa": url})
        before = states.read(shop.s3, shop.place)
        yield shop, ran
        assert before
        shop.s3.put_object(
            Bucket=shop.environment.bucket,
            Key=shop.place.manifest,
            Body=before.manifest,
            Metadata={"release": before.release},
        )


def request(production: Production, folder: Path, *dag_runs: str) -> publish.Request:
    return publish.Request(production.environment, "shop", production.project_dir, folder / "publish", dag_runs)


def test_the_released_project_becomes_the_state(airflow: tuple[Production, Ran], tmp_path: Path) -> None:
    shop, _ = airflow
    shop.edit("models/total.sql", lambda text: text.replace("sum(amount)", "max(amount)"))  # not released
    shop.s3.delete_object(Bucket=shop.environment.bucket, Key=shop.place.manifest)
    done = publish.publish(request(shop, tmp_path), print)
    assert done == states.Published("r1", previous=None, changed=True)
    state = states.read(shop.s3, shop.place)
    assert state is not None
    total = json.loads(state.manifest)["nodes"]["model.shop.total"]
    assert "sum(amount)" in total["raw_code"]
    assert total["relation_name"] == '"warehouse"."shop"."total"'


def test_a_mapped_task_is_several_instances(airflow: tuple[Production, Ran], tmp_path: Path) -> None:
    shop, ran = airflow
    ran.mapped = {"land": ["success", "success", "skipped"]}
    assert publish.publish(request(shop, tmp_path), print).release == "r1"


Change = Callable[[Ran], None]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda ran: setattr(ran, "state", "failed"), f"{DAG}/.* is failed"),
        (lambda ran: setattr(ran, "state", "running"), "is running"),
        (lambda ran: setattr(ran, "started", timedelta(days=-1)), "began before the release"),
        (lambda ran: ran.conf.update(select="total"), "a part of the project only"),
        (lambda ran: ran.conf.update(target="dev"), "for the target dev"),
        (lambda ran: ran.conf.update(vars={"a": 1}), "with vars of its own"),
        (lambda ran: ran.tasks.update({"models.kept_run": "skipped"}), "left out model.shop.kept"),
        (lambda ran: ran.mapped.update({"models.kept_run": ["failed", "success"]}), "left out model.shop.kept"),
        (lambda ran: ran.tasks.clear() or ran.tasks.update(notify="success"), "ran no node of shop"),
    ],
)
def test_a_run_that_proves_nothing_changes_nothing(
    airflow: tuple[Production, Ran], tmp_path: Path, change: Change, words: str
) -> None:
    shop, ran = airflow
    before = states.read(shop.s3, shop.place)
    change(ran)
    with pytest.raises(Problem, match=f"(?s){words}"):
        publish.publish(request(shop, tmp_path), print)
    assert states.read(shop.s3, shop.place) == before


def test_a_run_that_isn_t_there(airflow: tuple[Production, Ran], tmp_path: Path) -> None:
    with pytest.raises(Problem, match=f"no run {DAG}/other"):
        publish.publish(request(airflow[0], tmp_path, f"{DAG}/other"), print)


def test_nodes_are_found_in_tasks_whatever_their_form() -> None:
    manifest = {
        "nodes": {
            f"model.shop.{name}": {"resource_type": "model", "name": name, "config": {}, "version": version}
            for name, version in {"a": None, "a_run": None, "b": 2, "c": None, "d": None}.items()
        }
    }
    tasks = {"x.g.a.run": "success", "x.a_run_run": "failed", "x.b_v2_run": "success", "x.c_model_build": "success"}
    assert runs.nodes(manifest, tasks) == runs.Nodes(
        ran=["model.shop.a", "model.shop.b", "model.shop.c"],
        left_out=["model.shop.a_run"],
        without_task=["model.shop.d"],
    )
