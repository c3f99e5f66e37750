"""Every question about the environment, answered once.

All of it are Airflow configuration options of the section ``mwaa_dbt`` (on MWAA: configuration options
``mwaa_dbt.<name>``; anywhere: ``AIRFLOW__MWAA_DBT__<NAME>``), so that a DAG file never reads a Variable, a secret
or ``os.environ``. docs/settings.md lists them; a test keeps the two alike.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from airflow.configuration import conf

from mwaa_dbt.errors import ConfigurationError
from mwaa_dbt.history.place import Place
from mwaa_dbt.options import OPTIONS, SECTION, choice, number, switch, text

__all__ = ["OPTIONS", "SECTION"]

#: Written last by startup.sh: a virtualenv without it was never finished.
VENV_MARKER = ".mwaa-dbt-complete"


def dbt_root() -> Path:
    """Return the absolute folder that holds one folder per dbt project."""
    return Path(text("dbt_root") or Path(conf.get("core", "dags_folder")) / "dbt").absolute()


def target() -> str:
    """Return the dbt target of runs that name none."""
    return text("target")


def connection_id(project: str, target: str) -> str:
    """Return the id of the connection that `project` uses for `target`."""
    try:
        return text("connection").format(project=project, target=target)
    except (KeyError, IndexError, ValueError) as error:
        raise ConfigurationError(
            f"[{SECTION}] connection is {text('connection')!r}: only {{project}} and {{target}} may stand in braces."
        ) from error


def pool() -> str:
    """Return the Airflow pool of dbt tasks."""
    return text("pool")


def retries() -> int:
    """Return how often a task is retried whose error may pass by itself (causes.py)."""
    return number("retries")


def retry_delay() -> timedelta:
    """Return the pause between two tries."""
    return timedelta(seconds=number("retry_delay"))


def warm() -> bool:
    """Return whether dbt is kept warm on the worker."""
    return switch("warm")


def task_scope() -> bool:
    """Return whether a worker builds only the task that it runs."""
    return switch("task_scope")


def lean() -> bool:
    """Return whether operators are made and connected the short way (lean.py)."""
    return switch("lean")


def preload() -> bool:
    """Return whether workers import ahead of their tasks what these would import (preload.py)."""
    return switch("preload")


def prompt_end() -> bool:
    """Return whether workers notice at once that a task's process has ended (prompt_end.py)."""
    return switch("prompt_end")


def artifacts() -> str:
    """Return what a dbt task writes: ``needed`` or ``all``.

    Raises:
        ConfigurationError: if it is set to something else.
    """
    return choice("artifacts", "needed", "all")


def hooks() -> str:
    """Return when on-run-start and on-run-end run: once per DAG ``run``, or with each ``node``'s command.

    Raises:
        ConfigurationError: if it is set to something else.
    """
    return choice("hooks", "run", "node")


def compiled_sql() -> bool:
    """Return whether a node's compiled SQL is shown in the rendered template."""
    return switch("compiled_sql")


def slack_conn_id() -> str:
    """Return the id of the Slack connection; empty where nobody wants alerts."""
    return text("slack_conn_id")


def slack_channel() -> str:
    """Return the channel of alerts sent with an API token."""
    return text("slack_channel")


def mail_to() -> tuple[str, ...]:
    """Return the addresses that get every alert by mail."""
    return tuple(address.strip() for address in text("mail_to").split(",") if address.strip())


def mail_conn_id() -> str:
    """Return the id of the connection that mail goes through."""
    return text("mail_conn_id")


def mail_from() -> str:
    """Return the sender of mail; empty: the connection's."""
    return text("mail_from")


def bucket() -> str:
    """Return the environment's bucket.

    Raises:
        ConfigurationError: if it isn't set.
    """
    name = text("bucket")
    if not name:
        raise ConfigurationError(
            f"[{SECTION}] bucket is not set: name the environment's bucket; locks, state and docs lie in it."
        )
    return name


def has_bucket() -> bool:
    """Return whether the environment's bucket is named: alerts have no threads without it."""
    return bool(text("bucket"))


def bucket_prefix() -> str:
    """Return the folder of the release in the environment's bucket, without slashes at its ends."""
    return text("bucket_prefix").strip("/")


def history() -> Place | None:
    """Return where results are kept; None where they aren't: switched off, or no bucket is named.

    Raises:
        ConfigurationError: if the switch is neither on nor off.
    """
    return Place.beside(bucket(), bucket_prefix()) if switch("history") and has_bucket() else None


def raw_bucket() -> str:
    """Return the bucket of the raw files.

    Raises:
        ConfigurationError: if it isn't set.
    """
    bucket = text("raw_bucket")
    if not bucket:
        raise ConfigurationError(f"[{SECTION}] raw_bucket is not set: name the bucket that holds the raw files.")
    return bucket


def lock_poll() -> timedelta:
    """Return the pause between two looks of a run that waits for its turn."""
    return timedelta(seconds=max(1, number("lock_poll")))


def lock_grace() -> timedelta:
    """Return how long after a run was ended from outside its processes may still work."""
    return timedelta(seconds=number("lock_grace"))


def lock_limit() -> timedelta:
    """Return after what time a run stops waiting for its turn."""
    return timedelta(seconds=number("lock_limit"))


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
