"""Every question about the environment, answered once.

All of it are Airflow configuration options of the section ``mwaa_dbt`` (on MWAA: configuration options
``mwaa_dbt.<name>``; anywhere: ``AIRFLOW__MWAA_DBT__<NAME>``), so that a DAG file never reads a Variable, a secret
or ``os.environ``. docs/settings.md lists them; a test keeps the two alike.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from airflow.configuration import conf

from mwaa_dbt.errors import ConfigurationError
from mwaa_dbt.history.place import Place

SECTION = "mwaa_dbt"

#: Written last by startup.sh: a virtualenv without it was never finished.
VENV_MARKER = ".mwaa-dbt-complete"


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
    "retries": Option("2", "retries of a model, seed or snapshot (tests have none)"),
    "retry_delay": Option("300", "seconds between two tries"),
    "warm": Option("True", "keep one dbt process per project warm on each worker and fork it per task"),
    "task_scope": Option("True", "a worker that parses a DAG file for one task builds that task only"),
    "lean": Option("True", "make and connect operators without what Cosmos and Airflow repeat for every task"),
    "artifacts": Option(
        "needed",
        "what a dbt task writes: `needed` (run_results.json and the node's SQL) or `all` that dbt would, for callbacks "
        "that want it (then dbt isn't warm)",
    ),
    "compiled_sql": Option("True", "show a node's compiled SQL in the task's rendered template"),
    "slack_conn_id": Option("slack", "connection of type slack or slackwebhook for alerts; empty: no alerts"),
    "slack_channel": Option("#data-alerts", "channel of alerts sent with an API token"),
    "mail_to": Option("", "addresses that get alerts by mail, with commas between; empty: none but owners'"),
    "mail_conn_id": Option("smtp_default", "connection that mail goes through: type smtp, or aws for SES"),
    "mail_from": Option("", "sender of mail; SES needs one, for SMTP it may stand in the connection"),
    "bucket": Option(
        "",
        "the environment's bucket, below whose `mwaactl/` tasks keep what outlives them (alerts, locks, state, docs)",
    ),
    "bucket_prefix": Option("", "folder of the release in that bucket; empty: its root"),
    "history": Option("", "where results are kept, `s3://bucket/prefix`; empty: nowhere"),
    "raw_bucket": Option("", "bucket that flights_load reads its raw files from"),
    "lock_poll": Option("20", "seconds between two looks of a run that waits for its turn (at least 1)"),
    "lock_grace": Option("30", "seconds after a run was ended from outside before another takes its turn"),
    "lock_limit": Option("14400", "seconds after which a run stops waiting for its turn and fails"),
}


def _text(name: str) -> str:
    return str(conf.get(SECTION, name, fallback=OPTIONS[name].default)).strip()


def _number(name: str) -> int:
    text = _text(name)
    try:
        number = int(text)
    except ValueError:
        number = -1
    if number < 0:
        raise ConfigurationError(f"[{SECTION}] {name} must be a whole number of 0 or more, but is {text!r}.")
    return number


def _switch(name: str) -> bool:
    text = _text(name).lower()
    if text not in ("true", "false", "1", "0"):
        raise ConfigurationError(f"[{SECTION}] {name} must be True or False, but is {text!r}.")
    return text in ("true", "1")


def dbt_root() -> Path:
    """Return the absolute folder that holds one folder per dbt project."""
    return Path(_text("dbt_root") or Path(conf.get("core", "dags_folder")) / "dbt").absolute()


def target() -> str:
    """Return the dbt target of runs that name none."""
    return _text("target")


def connection_id(project: str, target: str) -> str:
    """Return the id of the connection that `project` uses for `target`."""
    try:
        return _text("connection").format(project=project, target=target)
    except (KeyError, IndexError, ValueError) as error:
        raise ConfigurationError(
            f"[{SECTION}] connection is {_text('connection')!r}: only {{project}} and {{target}} may stand in braces."
        ) from error


def pool() -> str:
    """Return the Airflow pool of dbt tasks."""
    return _text("pool")


def retries() -> int:
    """Return how often a model, seed or snapshot is retried."""
    return _number("retries")


def retry_delay() -> timedelta:
    """Return the pause between two tries."""
    return timedelta(seconds=_number("retry_delay"))


def warm() -> bool:
    """Return whether dbt is kept warm on the worker."""
    return _switch("warm")


def task_scope() -> bool:
    """Return whether a worker builds only the task that it runs."""
    return _switch("task_scope")


def lean() -> bool:
    """Return whether operators are made and connected the short way (lean.py)."""
    return _switch("lean")


def artifacts() -> str:
    """Return what a dbt task writes: ``needed`` or ``all``.

    Raises:
        ConfigurationError: if it is set to something else.
    """
    text = _text("artifacts")
    if text not in ("needed", "all"):
        raise ConfigurationError(f"[{SECTION}] artifacts must be needed or all, but is {text!r}.")
    return text


def compiled_sql() -> bool:
    """Return whether a node's compiled SQL is shown in the rendered template."""
    return _switch("compiled_sql")


def slack_conn_id() -> str:
    """Return the id of the Slack connection; empty where nobody wants alerts."""
    return _text("slack_conn_id")


def slack_channel() -> str:
    """Return the channel of alerts sent with an API token."""
    return _text("slack_channel")


def mail_to() -> tuple[str, ...]:
    """Return the addresses that get every alert by mail."""
    return tuple(address.strip() for address in _text("mail_to").split(",") if address.strip())


def mail_conn_id() -> str:
    """Return the id of the connection that mail goes through."""
    return _text("mail_conn_id")


def mail_from() -> str:
    """Return the sender of mail; empty: the connection's."""
    return _text("mail_from")


def bucket() -> str:
    """Return the environment's bucket.

    Raises:
        ConfigurationError: if it isn't set.
    """
    name = _text("bucket")
    if not name:
        raise ConfigurationError(
            f"[{SECTION}] bucket is not set: name the environment's bucket; locks, state and docs lie in it."
        )
    return name


def has_bucket() -> bool:
    """Return whether the environment's bucket is named: alerts have no threads without it."""
    return bool(_text("bucket"))


def bucket_prefix() -> str:
    """Return the folder of the release in the environment's bucket, without slashes at its ends."""
    return _text("bucket_prefix").strip("/")


def history() -> Place | None:
    """Return where results are kept, None where they aren't.

    Raises:
        ConfigurationError: if it isn't of the form s3://bucket/prefix.
    """
    url = _text("history")
    try:
        return Place.of(url) if url else None
    except ValueError as error:
        raise ConfigurationError(f"[{SECTION}] history: {error}.") from error


def raw_bucket() -> str:
    """Return the bucket of the raw files.

    Raises:
        ConfigurationError: if it isn't set.
    """
    bucket = _text("raw_bucket")
    if not bucket:
        raise ConfigurationError(f"[{SECTION}] raw_bucket is not set: name the bucket that holds the raw files.")
    return bucket


def lock_poll() -> timedelta:
    """Return the pause between two looks of a run that waits for its turn."""
    return timedelta(seconds=max(1, _number("lock_poll")))


def lock_grace() -> timedelta:
    """Return how long after a run was ended from outside its processes may still work."""
    return timedelta(seconds=_number("lock_grace"))


def lock_limit() -> timedelta:
    """Return after what time a run stops waiting for its turn."""
    return timedelta(seconds=_number("lock_limit"))


def _venv_path() -> Path:
    # startup.sh exports DBT_VENV_PATH: it alone knows where it built the virtualenv.
    home = os.environ.get("AIRFLOW_HOME", str(Path.home() / "airflow"))
    return Path(os.environ.get("DBT_VENV_PATH") or Path(home) / "dbt_venv")


def venv() -> Path:
    """Return the finished dbt virtualenv.

    Raises:
        ConfigurationError: if startup.sh didn't build it here, or didn't finish.
    """
    path = _venv_path()
    if not (path / "bin" / "dbt").is_file():
        raise ConfigurationError(
            f"There is no dbt at {path}/bin/dbt. startup.sh builds this virtualenv when a worker starts; its log "
            "(MWAA: log group of the workers, stream startup_script_execution; locally: `make logs`) says why not."
        )
    if not (path / VENV_MARKER).is_file():
        raise ConfigurationError(
            f"The dbt virtualenv {path} is half built ({VENV_MARKER} is missing): interrupted or failed start-up. "
            "Restart the worker (MWAA: update the environment; locally: `make down up`) and read its start-up log."
        )
    return path


def pinned_dbt_version() -> str | None:
    """Return the dbt-core version that requirements-dbt.txt pins, or None where the file isn't shipped."""
    return pinned(("dbt-core",)).get("dbt-core")


def pinned(names: tuple[str, ...]) -> dict[str, str]:
    """Return the versions that requirements-dbt.txt pins of the packages `names`; none where the file isn't shipped."""
    found: dict[str, str] = {}
    # plugins.zip carries the file next to this package; in the repository it lies one folder higher.
    for folder in Path(__file__).parents[1:3]:
        file = folder / "requirements-dbt.txt"
        if file.is_file():
            for line in file.read_text().splitlines():
                name, _, version = line.partition("==")
                if name.strip() in names:
                    found[name.strip()] = version.split(";")[0].strip()
            break
    return found
