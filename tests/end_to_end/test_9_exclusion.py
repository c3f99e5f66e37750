"""Two DAGs with one lock never work at once, whatever happens to them, and none waits for ever."""

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import psutil
import pytest

from mwaactl.local import follow
from mwaactl.local.api import ApiError
from mwaactl.local.state import read_json
from tests.end_to_end.conftest import Demo
from tests.end_to_end.lock_probe import LEFT, PROBE, RIGHT, WAIT, Probe
from tests.end_to_end.support import JUST_QUICK, TRANSFORM, instance, records, states, until, words
from tests.local_environment import LocalEnvironment

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def _dags(environment: LocalEnvironment) -> Iterator[Path]:
    ticks = environment.layout.root / "ticks"
    file = environment.source / "dags" / "exclusion_probe.py"
    file.write_text(PROBE.replace("TICKS", str(ticks)))
    environment.up()
    for dag_id in (LEFT, RIGHT):
        until(lambda dag_id=dag_id: _is_there(environment, dag_id), limit=120, every=1)  # type: ignore[misc]
        environment.api.patch(f"/dags/{dag_id}", {"is_paused": False})
    yield ticks
    file.unlink()
    environment.up()


def _is_there(environment: LocalEnvironment, dag_id: str) -> bool:
    with contextlib.suppress(ApiError):
        return bool(environment.api.get(f"/dags/{dag_id}"))
    return False


@pytest.fixture
def probe(environment: LocalEnvironment, _dags: Path) -> Iterator[Probe]:
    """The two DAGs, none of whose runs has worked. Whatever a test does, no two worked at once."""
    _dags.unlink(missing_ok=True)
    made = Probe(environment, _dags)
    yield made
    for dag_id in (LEFT, RIGHT):
        for run in made.api.all(f"/dags/{dag_id}/dagRuns", "dag_runs"):
            if run["state"] not in follow.ENDED:
                made.mark(dag_id, run["dag_run_id"], "failed")
    made.check()


@pytest.mark.long
def test_both_at_once_many_times(probe: Probe) -> None:
    runs = []
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            runs += list(pool.map(lambda dag_id: (dag_id, probe.start(dag_id)), (LEFT, RIGHT)))
            runs += [(LEFT, probe.start(LEFT)), (RIGHT, probe.start(RIGHT))]
            for dag_id, run_id in runs[-4:]:
                assert probe.ended(dag_id, run_id).state == "success"
    assert len(probe.worked()) == len(runs)


def test_the_waiting_task_says_for_whom_and_holds_no_slot(probe: Probe) -> None:
    left = probe.working(LEFT, 20)
    right = probe.waiting(RIGHT)
    run = probe.ended(RIGHT, right)
    text = words(probe.environment, run, WAIT)
    assert f"for {LEFT} ({left}), there since 20" in text
    assert "gives up at 20" in text
    assert run.state == probe.ended(LEFT, left).state == "success"


def _fail(probe: Probe, run_id: str) -> None:
    probe.mark(LEFT, run_id, "failed")


def _succeed(probe: Probe, run_id: str) -> None:
    probe.mark(LEFT, run_id, "success")


def _delete(probe: Probe, run_id: str) -> None:
    probe.mark(LEFT, run_id, "failed")  # Airflow deletes no run that runs
    probe.delete(LEFT, run_id)


@pytest.mark.parametrize("intervene", [_fail, _succeed, _delete])
def test_one_is_ended_from_outside_while_the_other_waits(probe: Probe, intervene: Callable[[Probe, str], None]) -> None:
    left = probe.working(LEFT, 600)
    right = probe.waiting(RIGHT)
    intervene(probe, left)
    assert probe.ended(RIGHT, right).state == "success"


@pytest.mark.long
def test_the_waiting_one_is_ended_from_outside(probe: Probe) -> None:
    left = probe.working(LEFT, 30)
    right, second = probe.waiting(RIGHT), probe.waiting(RIGHT)
    probe.mark(RIGHT, right, "failed")
    assert probe.ended(RIGHT, second).state == probe.ended(LEFT, left).state == "success"


def test_working_task_is_cleared_while_the_other_waits(probe: Probe) -> None:
    left = probe.working(LEFT, 15)
    right = probe.waiting(RIGHT)
    probe.clear(LEFT, left, "work")
    assert probe.ended(LEFT, left).state == probe.ended(RIGHT, right).state == "success"
    assert len({who for _, who in probe.worked()}) == 2
    assert len(probe.worked()) == 3


def test_a_task_of_an_ended_run_is_cleared_while_the_other_works(probe: Probe) -> None:
    left = probe.working(LEFT, 1)
    assert probe.ended(LEFT, left).state == "success"
    right = probe.working(RIGHT, 20)
    probe.clear(LEFT, left, "work")
    until(lambda: probe.state(LEFT, left, "work") == "up_for_reschedule", limit=120)
    assert probe.ended(LEFT, left).state == probe.ended(RIGHT, right).state == "success"
    assert [who[0] for _, who in probe.worked()] == [LEFT, RIGHT, LEFT]


def test_a_waiting_task_is_marked_as_successful(probe: Probe) -> None:
    left = probe.working(LEFT, 20)
    right = probe.waiting(RIGHT)
    run = follow.read(probe.api, RIGHT, right)
    probe.api.patch(instance(run, WAIT), {"new_state": "success"})
    assert probe.ended(RIGHT, right).state == probe.ended(LEFT, left).state == "success"


@pytest.mark.long
def test_the_scheduler_is_killed_while_one_works_and_one_waits(probe: Probe) -> None:
    left = probe.working(LEFT, 30)
    right = probe.waiting(RIGHT)
    scheduler = read_json(probe.environment.layout.state_file)["components"]["scheduler"]
    psutil.Process(scheduler).kill()
    assert probe.ended(RIGHT, right).state == "success"
    assert probe.ended(LEFT, left).state in follow.ENDED


def load_production(environment: LocalEnvironment) -> None:
    """Give production's warehouse the raw tables of dev's: flights_load loads those of the environment's target."""
    raw = "select table_name from information_schema.tables where table_catalog = 'dev' and table_schema = 'dev_raw'"
    with duckdb.connect(str(environment.layout.warehouse / "flights_prod.duckdb")) as database:
        database.execute(f"attach '{environment.layout.warehouse / 'flights_dev.duckdb'}' as dev (read_only)")
        database.execute("create schema if not exists raw")
        for (name,) in database.execute(raw).fetchall():
            database.execute(f"create or replace table raw.{name} as from dev.dev_raw.{name}")


@pytest.mark.long
def test_init_and_transform_started_in_the_same_second(environment: LocalEnvironment, green: Demo) -> None:
    load_production(environment)
    started = time.time()
    with ThreadPoolExecutor(2) as pool:
        both = [
            pool.submit(environment.start, "flights_init", {"target": "prod"}),
            pool.submit(environment.start, TRANSFORM, {**JUST_QUICK, "target": "prod"}),
        ]
    runs = [
        follow.follow(environment.api, dag_id, future.result(), limit=900)
        for dag_id, future in zip(("flights_init", TRANSFORM), both, strict=True)
    ]
    spans = [_span(run) for run in runs]
    assert min(spans)[1] < max(spans)[0], f"they worked at once: {spans}"
    assert min(spans)[0] > started
    assert states(runs[0])["docs"] == "success", states(runs[0])
    pages = environment.client("s3").list_objects_v2(Bucket="mwaa-local", Prefix="mwaactl/docs/flights/")["Contents"]
    assert {entry["Key"].rsplit("/")[-1] for entry in pages} == {"index.html", "manifest.json", "catalog.json"}
    assert records(environment, runs[0], WAIT)


def _span(run: follow.Run) -> tuple[float, float]:
    """When the run's dbt tasks began and ended."""
    times = [
        (follow._moment(task["start_date"]), follow._moment(task["end_date"]))
        for task in run.tasks
        if "." in task["task_id"] and task["state"] in ("success", "failed")
    ]
    assert times, states(run)
    return min(one for one, _ in times if one), max(one for _, one in times if one)
