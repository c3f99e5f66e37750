"""The operators of dbt's commands on nodes and macros, in the prebuilt virtualenv.

Class names are Cosmos' own, so that a task looks the same in the Airflow UI.
"""

from __future__ import annotations

from typing import Any, ClassVar

from cosmos.operators import virtualenv as cosmos_virtualenv

from mwaa_dbt.operators import PrebuiltVirtualenv


class DbtRunVirtualenvOperator(PrebuiltVirtualenv, cosmos_virtualenv.DbtRunVirtualenvOperator):
    """``dbt run`` for one model."""

    command_args: ClassVar[dict[str, Any]] = {"full_refresh": False}


class DbtTestVirtualenvOperator(PrebuiltVirtualenv, cosmos_virtualenv.DbtTestVirtualenvOperator):
    """``dbt test`` for one node's tests, one test with several parents, or a group's."""

    command_args: ClassVar[dict[str, Any]] = {"on_warning_callback": None}


class DbtSeedVirtualenvOperator(PrebuiltVirtualenv, cosmos_virtualenv.DbtSeedVirtualenvOperator):
    """``dbt seed`` for one seed."""

    command_args: ClassVar[dict[str, Any]] = {"full_refresh": False}


class DbtSnapshotVirtualenvOperator(PrebuiltVirtualenv, cosmos_virtualenv.DbtSnapshotVirtualenvOperator):
    """``dbt snapshot`` for one snapshot."""


class DbtBuildVirtualenvOperator(PrebuiltVirtualenv, cosmos_virtualenv.DbtBuildVirtualenvOperator):
    """``dbt build`` for one node and its tests."""

    command_args: ClassVar[dict[str, Any]] = {"full_refresh": False, "log_format": None, "on_warning_callback": None}


class DbtSourceVirtualenvOperator(PrebuiltVirtualenv, cosmos_virtualenv.DbtSourceVirtualenvOperator):
    """``dbt source freshness`` for one source."""

    command_args: ClassVar[dict[str, Any]] = {"on_warning_callback": None}


class DbtRunOperationVirtualenvOperator(PrebuiltVirtualenv, cosmos_virtualenv.DbtRunOperationVirtualenvOperator):
    """``dbt run-operation`` for one macro."""

    command_args: ClassVar[dict[str, Any]] = {"macro_name": None, "args": None}
