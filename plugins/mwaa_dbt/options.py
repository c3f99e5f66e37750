"""The options of the section ``mwaa_dbt`` in Airflow's configuration: their names, defaults, and how they are read."""

from __future__ import annotations

from dataclasses import dataclass

from airflow.configuration import conf

from mwaa_dbt.errors import ConfigurationError

SECTION = "mwaa_dbt"


@dataclass(frozen=True)
class Option:
    """One option: its default as Airflow would write it, and what it is for."""

    default: str
    about: str


OPTIONS: dict[str, Option] = {
    "dbt_root": Option("", "folder of the dbt projects; empty: `dbt` in the DAGs folder"),
    "target": Option("dev", "dbt target of runs that name none"),
    "connection": Option("{project}_{target}", "pattern of the warehouse connection's id"),
    "pool": Option("default_pool", "Airflow pool of the dbt tasks; it must exist"),
    "retries": Option("2", "retries of a dbt task whose error may pass by itself"),
    "retry_delay": Option("300", "seconds between two tries"),
    "warm": Option("True", "keep one dbt process per project warm on each worker and fork it per task"),
    "task_scope": Option("True", "a worker that parses a DAG file for one task builds that task only"),
    "lean": Option("True", "make and connect operators without what Cosmos and Airflow repeat for every task"),
    "preload": Option(
        "True", "a worker imports once what its tasks would each import again (plugins/worker_plugin.py)"
    ),
    "prompt_end": Option(
        "True", "a worker notices at once that a task's process has ended, not five seconds later (prompt_end.py)"
    ),
    "artifacts": Option(
        "needed",
        "what a dbt task writes: `needed` (run_results.json and the node's SQL) or `all` that dbt would, for callbacks "
        "that want it (then dbt isn't warm)",
    ),
    "hooks": Option(
        "run",
        "on-run-start and on-run-end run once per DAG `run`, in tasks of their own, or with each `node`'s command, as "
        "dbt does",
    ),
    "compiled_sql": Option("True", "show a node's compiled SQL in the task's rendered template"),
    "slack_conn_id": Option("slack", "connection of type slack or slackwebhook for alerts; empty: no alerts"),
    "slack_channel": Option("#data-alerts", "channel of alerts sent with an API token"),
    "mail_to": Option("", "addresses that get alerts by mail, with commas between; empty: none but owners'"),
    "mail_conn_id": Option("smtp_default", "connection that mail goes through: type smtp, or aws for SES"),
    "mail_from": Option("", "sender of mail; SES needs one, for SMTP it may stand in the connection"),
    "bucket": Option(
        "",
        "the environment's bucket; below its `mwaactl/` tasks keep what outlives them: alerts, history, locks, state",
    ),
    "bucket_prefix": Option("", "folder of the release in that bucket; empty: its root"),
    "history": Option("True", "keep every result of dbt below `mwaactl/history/` in `bucket`, where one is named"),
    "raw_bucket": Option("", "bucket that flights_load reads its raw files from"),
    "lock_poll": Option("20", "seconds between two looks of a run that waits for its turn (at least 1)"),
    "lock_grace": Option("30", "seconds after a run was ended from outside before another takes its turn"),
    "lock_limit": Option("14400", "seconds after which a run stops waiting for its turn and fails"),
}


def text(name: str) -> str:
    """Return an option's value as it is written, without blanks around it."""
    return str(conf.get(SECTION, name, fallback=OPTIONS[name].default)).strip()


def number(name: str) -> int:
    """Return an option's value as a whole number of 0 or more.

    Raises:
        ConfigurationError: if it is something else.
    """
    value = text(name)
    try:
        found = int(value)
    except ValueError:
        found = -1
    if found < 0:
        raise ConfigurationError(f"[{SECTION}] {name} must be a whole number of 0 or more, but is {value!r}.")
    return found


def choice(name: str, *values: str) -> str:
    """Return an option's value, one of `values`.

    Raises:
        ConfigurationError: if it is something else.
    """
    value = text(name)
    if value not in values:
        raise ConfigurationError(f"[{SECTION}] {name} must be {' or '.join(values)}, but is {value!r}.")
    return value


def switch(name: str) -> bool:
    """Return an option's value as a truth.

    Raises:
        ConfigurationError: if it is none.
    """
    value = text(name).lower()
    if value not in ("true", "false", "1", "0"):
        raise ConfigurationError(f"[{SECTION}] {name} must be True or False, but is {value!r}.")
    return value in ("true", "1")
