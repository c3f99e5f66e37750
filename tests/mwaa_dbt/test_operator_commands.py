"""What operators ask of dbt, and what they refuse before it starts."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from mwaa_dbt import operators, settings
from mwaa_dbt.errors import ConfigurationError
from mwaa_dbt.process import DbtProcess, DbtRequest

from mwaactl.local.layout import REPOSITORY
from tests.mwaa_dbt import rendering
from tests.mwaa_dbt.executing import execute


class _AskedError(Exception):
    """Instead of running dbt."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, connection: Callable[..., str], dbt_root: Path) -> list[DbtRequest]:
    """The requests that operators make; dbt doesn't run."""
    made: list[DbtRequest] = []

    def keeping(request: DbtRequest, **_: Any) -> DbtProcess:
        made.append(request)
        raise _AskedError

    monkeypatch.setattr(operators, "start", keeping)
    for target in ("dev", "prod"):
        connection(f"zoo_{target}", conn_type="duckdb", host=f"/data/{target}.duckdb")
    return made


def test_the_form_reaches_the_command(asked: list[DbtRequest]) -> None:
    with pytest.raises(_AskedError):
        execute("fct_orders.run", full_refresh=True, target="prod", vars={"number": 2, "text": "a b"})
    args = asked[-1].args
    assert args[:3] == ["run", "--select", "fqn:zoo.marts.fct_orders"]
    assert "--full-refresh" in args
    assert args[args.index("--target") + 1] == "prod"
    given = args[args.index("--vars") + 1]
    assert "number: 2" in given
    assert "text: a b" in given
    with pytest.raises(_AskedError):
        execute("fct_orders.run")
    assert "--full-refresh" not in asked[-1].args
    assert "--vars" not in asked[-1].args
    assert asked[-1].args[-1] == "dev"


def test_excluded_tests_are_not_run(asked: list[DbtRequest]) -> None:
    with pytest.raises(_AskedError):
        execute("fct_orders.test", exclude="unique_fct_orders_order_id")
    args = asked[-1].args
    excluded = args[args.index("--exclude") + 1].split()
    assert "unique_fct_orders_order_id" in excluded
    assert "assert_no_sale_is_lost" in excluded, "what the graph excluded stays excluded"
    with pytest.raises(_AskedError):
        execute("fct_divided.run", exclude="fct_slow")
    assert "--exclude" not in asked[-1].args


def test_the_groups_tests_follow_the_selection(asked: list[DbtRequest]) -> None:
    with pytest.raises(_AskedError):
        execute("zoo_test", select="int_paid fct_orders")
    args = asked[-1].args
    assert args[args.index("--select") + 1] == "int_paid"


def test_the_command_has_no_shell_and_no_secret(asked: list[DbtRequest], connection: Callable[..., str]) -> None:
    extra = {"account": "acc", "database": "DB", "warehouse": "WH"}
    connection("zoo_dev", conn_type="snowflake", login="me", password="hunter22", schema="S", extra=extra)
    with pytest.raises(_AskedError):
        execute("fct_orders.run", vars={"text": "$(id); `id`"})
    request = asked[-1]
    assert "hunter22" in request.env.values()
    assert "hunter22" not in " ".join(request.args)
    assert "hunter22" not in repr(request)
    assert {request.env[name] for name in request.secrets} == {"hunter22"}


def test_venv_missing_or_half_built(asked: list[DbtRequest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "dbt_venv"
    monkeypatch.setenv("DBT_VENV_PATH", str(home))
    with pytest.raises(ConfigurationError, match=r"There is no dbt at .*dbt_venv/bin/dbt.*startup\.sh") as error:
        execute("fct_orders.run")
    assert isinstance(error.value, AirflowFailException)
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "dbt").touch()
    with pytest.raises(ConfigurationError, match="is half built"):
        execute("fct_orders.run")
    assert not asked
    (home / settings.VENV_MARKER).touch()
    with pytest.raises(_AskedError):
        execute("fct_orders.run")


def test_the_marker_is_the_one_that_startup_sh_writes() -> None:
    script = (REPOSITORY / "startup.sh").read_text()
    assert f'marker="${{DBT_VENV_PATH}}/{settings.VENV_MARKER}"' in script
    assert script.index('>"$marker"') > script.index("pip install")


def test_project_gone_after_the_dag_was_parsed(
    workspace: Path, connection: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    connection("zoo_dev", conn_type="duckdb", host="/data/x.duckdb")
    task = rendering.ours("zoo").get_task("all.fct_orders.run")
    shutil.rmtree(workspace / "zoo")
    with pytest.raises(ConfigurationError, match=r"There is no dbt project in .*/zoo \(dbt_project.yml is missing\)"):
        task.execute({"params": {}, "run_id": "r1", "ti": SimpleNamespace(task=task)})


def test_a_missing_connection_is_said_before_dbt_starts(dbt_root: Path) -> None:
    with pytest.raises(ConfigurationError, match="There is no connection 'zoo_dev'"):
        execute("fct_orders.run")
