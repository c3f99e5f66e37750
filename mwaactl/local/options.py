"""Airflow's configuration: the options that MWAA gets, and the few that one machine needs instead."""

import json
import re
import secrets
from pathlib import Path

from mwaactl import yaml_files
from mwaactl.errors import Problem
from mwaactl.local.layout import BUCKET, Layout
from mwaactl.local.state import read_json, write_json

OPTIONS_FILE = "infra/configuration-options.yaml"
WAREHOUSE_POOL = "warehouse"


def read(source: Path) -> dict[str, str]:
    """Return the configuration options of the project at `source`, `section.option` to value.

    Raises Problem when the file is missing or an entry is not `section.option: text`.
    """
    path = source / OPTIONS_FILE
    content = yaml_files.mapping(path)
    if not content:
        raise Problem(f"{path} holds no options.", "Write one `section.option: value` per line.")
    for name, value in content.items():
        if not isinstance(value, str) or not re.fullmatch(r"[a-z_]+\.[a-z_]+", str(name)):
            raise Problem(
                f"{path}: `{name}: {value}` is not an option with a text value.",
                'Write it as `section.option: "value"`.',
            )
    return content


def variable(option: str) -> str:
    """Return the environment variable of `section.option`, as MWAA and Airflow name it."""
    section, _, name = option.partition(".")
    return f"AIRFLOW__{section}__{name}".upper()


def variables(options: dict[str, str]) -> dict[str, str]:
    """Return `options` as environment variables."""
    return {variable(option): value for option, value in options.items()}


def keys(layout: Layout) -> dict[str, str]:
    """Return the environment's own keys, made at its first boot and kept, so that logins survive a restart."""
    found = read_json(layout.keys_file)
    if not found:
        # A Fernet key is 32 random bytes in URL-safe base64, padded.
        found = {
            "fernet": secrets.token_urlsafe(32) + "=",
            "jwt": secrets.token_urlsafe(48),
            "api": secrets.token_urlsafe(32),
        }
        write_json(layout.keys_file, found, mode=0o600)
    return {name: str(value) for name, value in found.items()}


def overrides(layout: Layout, ports: dict[str, int]) -> dict[str, str]:
    """Return what differs from MWAA because everything runs on one machine. This is the whole list."""
    own = keys(layout)
    ui = f"http://127.0.0.1:{ports['ui']}"
    return {
        # MWAA: CeleryExecutor on SQS, PostgreSQL. Here tasks are children of the scheduler and the database is a file.
        "core.executor": "LocalExecutor",
        "core.parallelism": "4",
        "database.sql_alchemy_conn": f"sqlite:///{layout.airflow_home / 'airflow.db'}",
        "database.sql_alchemy_connect_args": "airflow_sqlite.CONNECT_ARGS",
        "core.dags_folder": str(layout.dags),
        "core.plugins_folder": str(layout.airflow_home / "plugins"),
        "core.load_examples": "False",
        # MWAA: IAM. Here whoever reaches the loopback interface is the admin.
        "core.auth_manager": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        "core.simple_auth_manager_all_admins": "True",
        "core.simple_auth_manager_passwords_file": str(layout.airflow_home / "passwords.json"),
        "core.fernet_key": own["fernet"],
        "api_auth.jwt_secret": own["jwt"],
        "api.secret_key": own["api"],
        "api.host": "127.0.0.1",
        "api.port": str(ports["ui"]),
        "api.base_url": ui,
        "core.execution_api_server_url": f"{ui}/execution/",
        "execution_api.jwt_expiration_time": "86400",
        # The default of 5 s is short when all components start at once on two cores.
        "workers.execution_api_timeout": "30",
        # Edits are seen within seconds instead of minutes.
        "dag_processor.refresh_interval": "2",
        "dag_processor.bundle_refresh_check_interval": "1",
        "dag_processor.min_file_process_interval": "60",
        "core.min_serialized_dag_update_interval": "1",
        "scheduler.scheduler_idle_sleep_time": "0.2",
        "logging.base_log_folder": str(layout.airflow_home / "logs"),
        "logging.colored_console_log": "False",
        "usage_data_collection.enabled": "False",
        # DuckDB takes one writing process at a time: a pool of one slot queues its tasks.
        "mwaa_dbt.pool": WAREHOUSE_POOL,
        # Longer than the dbt of a killed task may hold the warehouse's file (plugins/mwaa_dbt/warm/launcher.py, GRACE).
        "mwaa_dbt.retry_delay": "12",
        "mwaa_dbt.raw_bucket": BUCKET,
        "mwaa_dbt.bucket": BUCKET,
        "cosmos.dbt_docs_projects": json.dumps({"flights": {"dir": f"s3://{BUCKET}/mwaactl/docs/flights"}}),
        # What a scheduler that was killed left running is looked for every five minutes.
        "scheduler.orphaned_tasks_check_interval": "40",
        # Nobody waits here for hours.
        "mwaa_dbt.lock_poll": "3",
        "mwaa_dbt.lock_grace": "12",
    }
