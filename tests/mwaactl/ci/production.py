"""Production for tests: moto's bucket with a release and a state, a DuckDB file with what ran there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
from mwaa_dbt import state as states

from mwaactl import dbt_venv, landing, manifest
from mwaactl.ci import check, profile
from mwaactl.ci.runner import Dbt
from mwaactl.ci.steps import Steps
from mwaactl.environments import Environment
from mwaactl.local import options
from mwaactl.local.layout import REPOSITORY
from mwaactl.local.progress import PlainProgress
from mwaactl.release import contents, record
from tests import projects

DAY = "2013-01-01"

#: One model that keeps rows, one that reads it, a snapshot; whatever is built from an empty table shows in the tests.
SHOP = {
    "dbt_project.yml": """
        name: shop
        version: "1.0.0"
        profile: shop
        flags: {send_anonymous_usage_stats: false, state_modified_compare_more_unrendered_values: true}
        """,
    "profiles.yml": """
        shop:
          target: prod
          outputs:
            prod: {type: duckdb, path: "{{ env_var('SHOP_DUCKDB_PATH') }}", schema: shop, threads: 1}
        """,
    "macros/generate_schema_name.sql": """
        {% macro generate_schema_name(custom_schema_name, node) -%}
            {%- set prefix = env_var('MWAACTL_CI_SCHEMA', '') or target.schema -%}
            {{ prefix if custom_schema_name is none else prefix ~ '_' ~ (custom_schema_name | trim) }}
        {%- endmacro %}
        """,
    "seeds/orders.csv": "id,amount\n1,10\n2,20\n3,30\n",
    "models/kept.sql": """
        {{ config(materialized='incremental') }}
        select id, amount from {{ ref('orders') }}
        {% if is_incremental() %} where id > (select max(id) from {{ this }}) {% endif %}
        """,
    "models/total.sql": "{{ config(materialized='table') }} select sum(amount) as amount from {{ ref('kept') }}",
    "models/models.yml": """
        models:
          - name: total
            columns: [{name: amount, data_tests: [{accepted_values: {arguments: {values: [60], quote: false}}}]}]
        """,
    "snapshots/history.yml": """
        snapshots:
          - {name: history, relation: ref('kept'), config: {unique_key: id, strategy: check, check_cols: [amount]}}
        """,
}


@dataclass
class Production:
    """An environment called `prod` (its bucket is moto's), the project's files in `source`, the warehouse's file."""

    environment: Environment
    source: Path
    warehouse: Path
    project: str

    @property
    def project_dir(self) -> Path:
        return self.source / "dbt" / self.project

    @property
    def place(self) -> states.Place:
        return states.Place(self.environment.bucket, self.project, "prod")

    @cached_property
    def s3(self) -> Any:
        return self.environment.client("s3")

    def run(self, folder: Path, *commands: list[str], target: str = "prod") -> bytes:
        """Run dbt commands in production, each of which must succeed, and return the manifest."""
        used = profile.Profile(self.project, target, self.project_dir)
        with Dbt(dbt_venv.ensure(print), self.project_dir, used, folder) as dbt:
            for command in commands:
                dbt.must(*command)
            return (dbt.target_path / "manifest.json").read_bytes()

    def release(self, release: str) -> None:
        """Put the project's files into the bucket, as a release does."""
        manifest.build(self.project, print, root=self.source / "dbt")
        put_release(self.environment, self.source, release)

    def copy(self, folder: Path) -> Production:
        """Return the same production for a pull request: files and warehouse copied into `folder`, to be changed."""
        source, warehouse = folder / "source", folder / self.warehouse.name
        shutil.copytree(self.source, source)
        shutil.copy2(self.warehouse, warehouse)
        return Production(self.environment, source, warehouse, self.project)

    def edit(self, path: str, change: Callable[[str], str]) -> None:
        file = self.project_dir / path
        file.write_text(change(file.read_text()))

    def check(self, folder: Path, schema: str = "pr_7") -> check.Check:
        """Check what `source` holds as a pull request."""
        request = check.Request(self.environment, self.source, self.project, schema, folder)
        return check.run(request, Steps(PlainProgress()))

    def tables(self) -> set[tuple[str, str]]:
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            sql = "select table_schema, table_name from information_schema.tables"
            return set(connection.execute(sql).fetchall())

    def schemas(self) -> set[str]:
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            sql = "select schema_name from information_schema.schemata where catalog_name = current_database()"
            return {name for (name,) in connection.execute(sql).fetchall()} - {
                "main",
                "information_schema",
                "pg_catalog",
            }


def put_release(environment: Environment, source: Path, release: str) -> None:
    """Put what `source` holds into the bucket, with a record and the pointer, as a release does."""
    s3 = environment.client("s3")
    for name in ("requirements.txt", "startup.sh", options.OPTIONS_FILE):
        (source / name).parent.mkdir(exist_ok=True)
        if not (source / name).exists():
            shutil.copy2(REPOSITORY / name, source / name)
    for key, file in contents.files(source).items():
        s3.put_object(Bucket=environment.bucket, Key=key, Body=file.read())
    chosen = {**options.read(source), **environment.own_options}
    record.write(s3, environment, record.Record(release, environment.name, record.now(), "tests", {}, {}, chosen))
    body = json.dumps({"release": release}).encode()
    s3.put_object(Bucket=environment.bucket, Key=states.POINTER, Body=body)


def flights(folder: Path, environment: Environment) -> Production:
    """Return a production in which one day of flights was transformed, in the DuckDB file of FLIGHTS_DUCKDB_PATH."""
    source = folder / "source"
    ignored = shutil.ignore_patterns(*manifest._MADE)
    shutil.copytree(REPOSITORY / "dbt" / "flights", source / "dbt" / "flights", ignore=ignored)
    shutil.copytree(REPOSITORY / "dags", source / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    made = Production(environment, source, folder / "warehouse.duckdb", "flights")
    loads = [_load(folder, table, DAY) for table in landing.DAILY_TABLES] + [_load(folder, "planes", None)]
    state = made.run(folder / "run", *loads, ["build"])
    made.release("r1")
    states.publish(made.s3, made.place, state, "r1")
    return made


def shop(folder: Path, environment: Environment) -> Production:
    """Return a production of a small project, in the DuckDB file of SHOP_DUCKDB_PATH; it has no DAGs."""
    source = folder / "source"
    projects.write(source / "dbt" / "shop", SHOP)
    (source / "dags").mkdir()
    made = Production(environment, source, folder / "warehouse.duckdb", "shop")
    state = made.run(folder / "run", ["build"])
    made.release("r1")
    states.publish(made.s3, made.place, state, "r1")
    return made


def _load(folder: Path, table: str, day: str | None) -> list[str]:
    file = folder / f"{table}.csv.gz"
    if day:
        header, by_day = landing._by_day(landing.DAILY_TABLES[table])
        landing._write(file, header, next(rows for one, rows in by_day.items() if str(one) == day))
    else:
        rows = landing._rows(landing.WHOLE_TABLES[table])
        landing._write(file, next(rows), rows)
    arguments = {"table": table, "path": str(file)} | ({"day": day} if day else {})
    return ["run-operation", "load_raw", "--args", json.dumps(arguments)]
