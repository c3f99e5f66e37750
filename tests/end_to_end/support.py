"""What the end-to-end tests do again and again: look at runs and logs, break something for a while."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import psutil

from mwaactl.local import follow, health, secrets, sink
from mwaactl.local.follow import Run
from mwaactl.local.layout import BUCKET
from tests.local_environment import LocalEnvironment

TRANSFORM = "flights_transform"
#: The one mart without tests: a run that selects it has one dbt command.
QUICK = "aircraft_models"
QUICK_TASK = "marts.aircraft_models_run"
JUST_QUICK = {"select": QUICK, "freshness": False}
#: A model with minutes of work for DuckDB, on one core; nothing but an interruption ends it sooner.
ENDLESS = """
{{ config(pre_hook='set threads = 1') }}
select count(*) as n from range(10000000) a, range(10000000) b where a.range + b.range = -1
"""
#: What every run of TRANSFORM begins with.
FIRST = {"select_nodes", "wait_for_turn", "source_freshness"}


def states(run: Run) -> dict[str, str]:
    """Return the state of each task of a run."""
    return {task["task_id"]: task["state"] for task in run.tasks if task["task_id"] != "outcome"}


def tries(run: Run, task_id: str) -> int:
    """Return how often a task was tried."""
    return next(task["try_number"] for task in run.tasks if task["task_id"] == task_id)


def ran(run: Run) -> set[str]:
    """Return the tasks that weren't skipped."""
    return {task_id for task_id, state in states(run).items() if state != "skipped"}


def succeeded(run: Run) -> bool:
    """Whether everything that wasn't left out succeeded; a failure is shown by pytest as the tasks' states."""
    assert set(states(run).values()) <= {"success", "skipped"}, states(run)
    return run.state == "success"


def records(environment: LocalEnvironment, run: Run, task_id: str, try_number: int = 1) -> list[dict[str, Any]]:
    """Return the records of a task's log."""
    return [json.loads(line) for line in environment.log(run, task_id, try_number).splitlines()]


def words(environment: LocalEnvironment, run: Run, task_id: str, try_number: int = 1) -> str:
    """Return what a person reads in a task's log: events, reasons of skipped tasks, exceptions."""
    lines: list[str] = []
    for record in records(environment, run, task_id, try_number):
        lines += [str(record.get("event", "")), str(record.get("reason", ""))]
        lines += [f"{e.get('exc_type')}: {e.get('exc_value')}" for e in record.get("error_detail") or ()]
    return "\n".join(lines)


def run_quick(environment: LocalEnvironment, **conf: Any) -> Run:
    """Run the one node of QUICK, or what `conf` says."""
    return environment.run(TRANSFORM, {**JUST_QUICK, **conf})


def instance(run: Run, task_id: str) -> str:
    """Return the API's path of a task instance."""
    return f"/dags/{run.dag_id}/dagRuns/{quote(run.run_id, safe='')}/taskInstances/{quote(task_id)}"


def until(what: Callable[[], Any], limit: float = 30, every: float = 0.2) -> Any:
    """Return what `what` returns as soon as it is something. Fails the test after `limit` seconds."""
    deadline = time.monotonic() + limit
    while not (found := what()):
        assert time.monotonic() < deadline, f"not within {limit} s: {what}"
        time.sleep(every)
    return found


def running(environment: LocalEnvironment, run_id: str, task_id: str) -> Run | None:
    """Return the run if its task is running now."""
    now = follow.read(environment.api, TRANSFORM, run_id)
    assert now.state not in follow.ENDED, states(now)
    return now if states(now).get(task_id) == "running" else None


@contextmanager
def connection(environment: LocalEnvironment, conn_id: str, value: dict[str, Any] | str | None) -> Iterator[None]:
    """Put another value into a connection's secret for a while; None: there is no such secret."""
    client = environment.client("secretsmanager")
    name = secrets.PREFIX + conn_id
    before = client.get_secret_value(SecretId=name)["SecretString"]
    if value is None:
        client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    else:
        client.put_secret_value(SecretId=name, SecretString=value if isinstance(value, str) else json.dumps(value))
    try:
        yield
    finally:
        secrets.store(client, {conn_id: before})


@contextmanager
def bucket_object(environment: LocalEnvironment, key: str, content: bytes | None) -> Iterator[None]:
    """Have another content in the bucket, and then on the worker, for a while; None: the object is deleted."""
    s3 = environment.client("s3")
    before = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    file = environment.layout.airflow_home / key

    def is_there(wanted: bytes | None) -> bool:
        return (file.read_bytes() if file.exists() else None) == wanted

    if content is None:
        s3.delete_object(Bucket=BUCKET, Key=key)
    else:
        s3.put_object(Bucket=BUCKET, Key=key, Body=content)
    try:
        until(lambda: is_there(content))
        yield
    finally:
        s3.put_object(Bucket=BUCKET, Key=key, Body=before)
        until(lambda: is_there(before))


@contextmanager
def source_files(environment: LocalEnvironment, changes: dict[str, Callable[[str], str]]) -> Iterator[None]:
    """Release the project with changed files; put them back afterwards, without releasing that."""
    before = {environment.source / name: (environment.source / name).read_text() for name in changes}
    try:
        for name, change in changes.items():
            path = environment.source / name
            changed = change(before[path])
            assert changed != before[path], f"{name} was not changed"
            path.write_text(changed)
        environment.up()
        yield
    finally:
        for path, text in before.items():
            path.write_text(text)


def replace(old: str, new: str) -> Callable[[str], str]:
    """Return a change of a text for `source_files`."""
    return lambda text: text.replace(old, new)


def reparse_until(environment: LocalEnvironment, what: Callable[[list[dict[str, Any]]], Any]) -> Any:
    """Have the DAG files parsed until the list of import errors is as `what` wants it; return what it returned."""
    health.reparse(environment.api)
    return until(lambda: what(health.import_errors(environment.api)), limit=60, every=1)


def dbt_commands(environment: LocalEnvironment) -> list[psutil.Process]:
    """Return the processes that run a dbt command now: forks of a warm dbt, or plain ones."""
    warm = str(environment.layout.airflow_home / "plugins" / "mwaa_dbt" / "warm")
    found = []
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())
            parent = process.parent()
            forked = parent is not None and "server.py" in " ".join(parent.cmdline())
            if warm in line and ("launcher.py" in line or ("server.py" in line and forked)):
                found.append(process)
        except psutil.Error:
            continue
    return found


def text_of(message: dict[str, Any]) -> str:
    """Return what a person reads of a received message."""
    return sink.plain_text(message)


def alerts_of(environment: LocalEnvironment, run_id: str) -> list[str]:
    """Return the texts of a run's Slack thread as a person sees it: first message, replies."""
    seen = sink.as_seen(environment.messages())
    heads = {message["ts"] for message in seen if f"`{run_id}`" in text_of(message) and not message.get("reply")}
    return [text_of(message) for message in seen if heads & {message.get("ts"), message.get("thread_ts")}]


def alert_of(environment: LocalEnvironment, run: Run, task_id: str) -> str:
    """Return the text of the one message about a task of a run."""
    (text,) = [text for text in alerts_of(environment, run.run_id) if f"*Task:* {task_id}\n" in text]
    return text
