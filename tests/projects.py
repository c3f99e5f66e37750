"""Writes dbt projects for tests: one with every kind of node, and layered ones of any size.

The warehouse is DuckDB. Var `number` of the zoo decides what happens on a run: 1 is fine, 7 fails a test, and text
that is no number fails the model `fct_divided` itself.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

#: The models of the zoo that say of themselves when their tests run.
BEHAVIORS = {"stg_orders": "build", "int_paid": "after_all", "dim_customers": "none"}

_ZOO = {
    "dbt_project.yml": """
        name: zoo
        version: "1.0.0"
        profile: zoo
        model-paths: [models]
        seed-paths: [seeds]
        snapshot-paths: [snapshots]
        analysis-paths: [analyses]
        test-paths: [tests]
        macro-paths: [macros]
        flags: {send_anonymous_usage_stats: false}
        vars: {number: 1}
        on-run-start: ["select 1"]
        on-run-end: ["{{ log_end() }}"]
        models:
          zoo:
            staging: {+materialized: view, +tags: [nightly]}
            marts: {+materialized: table, +tags: [daily]}
        """,
    "packages.yml": """
        packages:
          - local: packages/toolbox
        """,
    "packages/toolbox/dbt_project.yml": """
        name: toolbox
        version: "1.0.0"
        model-paths: [models]
        macro-paths: [macros]
        """,
    "packages/toolbox/macros/doubled.sql": "{% macro doubled(column) %}({{ column }} * 2){% endmacro %}",
    "packages/toolbox/models/toolbox_days.sql": "select date '2013-01-01' as day",
    "packages/toolbox/models/toolbox_weeks.sql": "select day from {{ ref('toolbox_days') }}",
    "packages/toolbox/models/toolbox.yml": """
        models:
          - name: toolbox_days
            columns: [{name: day, data_tests: [not_null]}]
        """,
    "macros/log_end.sql": "{% macro log_end() %}{% do log('the end', info=true) %}select 1{% endmacro %}",
    "macros/shout.sql": "{% macro shout(word) %}{% do log('shouted ' ~ word, info=true) %}{% endmacro %}",
    "seeds/raw_customers.csv": "id,name\n1,Ann\n2,Ben\n3,Cem\n",
    "seeds/raw_orders.csv": "id,customer_id,amount,paid\n1,1,10,true\n2,1,20,false\n3,2,30,true\n",
    "seeds/raw_colors.csv": "id,color\n1,red\n",
    "seeds/seeds.yml": """
        seeds:
          - name: raw_customers
            columns: [{name: id, data_tests: [unique, not_null]}]
          - name: raw_orders
            config: {tags: [money]}
            columns: [{name: id, data_tests: [unique]}]
        """,
    "models/staging/sources.yml": """
        sources:
          - name: shop
            schema: main
            freshness: {warn_after: {count: 1, period: day}}
            loaded_at_field: loaded_at
            tables:
              - name: visits
                columns: [{name: id, data_tests: [not_null]}]
              - name: visitors
                freshness: null
        """,
    "models/staging/stg_customers.sql": "select id as customer_id, name from {{ ref('raw_customers') }}",
    "models/staging/stg_orders.sql": "select id as order_id, customer_id, amount, paid from {{ ref('raw_orders') }}",
    "models/staging/stg_visits.sql": "select id from {{ source('shop', 'visits') }}",
    "models/staging/staging.yml": """
        models:
          - name: stg_customers
            config: {meta: {owner: ann}}
            columns: [{name: customer_id, data_tests: [unique, not_null]}]
          - name: stg_orders
            config: {meta: {owner: ben, test_behavior: build}}
            columns:
              - name: order_id
                data_tests: [unique]
              - name: customer_id
                data_tests:
                  - relationships: {arguments: {to: ref('stg_customers'), field: customer_id}}
          - name: stg_visits
            config: {enabled: "{{ var('visits', true) }}"}
        """,
    "models/intermediate/int_ephemeral.sql": """
        {{ config(materialized='ephemeral') }}
        select order_id, customer_id, {{ toolbox.doubled('amount') }} as amount from {{ ref('stg_orders') }}
        """,
    "models/intermediate/int_paid.sql": "select * from {{ ref('stg_orders') }} where paid",
    "models/intermediate/int_alone.sql": "select 1 as id",
    "models/intermediate/intermediate.yml": """
        models:
          - name: int_paid
            config: {meta: {test_behavior: after_all}}
            columns: [{name: order_id, data_tests: [unique, not_null]}]
          - name: int_ephemeral
            columns: [{name: order_id, data_tests: [not_null]}]
        """,
    "models/marts/fct_orders.sql": """
        {{ config(materialized='incremental', unique_key='order_id') }}
        select * from {{ ref('int_ephemeral') }}
        {% if is_incremental() %} where order_id > (select max(order_id) from {{ this }}) {% endif %}
        """,
    "models/marts/fct_divided.sql": """
        select cast('{{ var("number") }}' as integer) as number from {{ ref('int_paid') }}
        """,
    "models/marts/fct_slow.sql": "select count(*) as n from range({{ var('rows', 1) }}) a, range({{ var('rows', 1) }})",
    "models/marts/dim_customers_v1.sql": "select customer_id, name from {{ ref('stg_customers') }}",
    "models/marts/dim_customers_v2.sql": "select customer_id, upper(name) as name from {{ ref('stg_customers') }}",
    "models/marts/dim_retired.sql": "{{ config(enabled=false) }} select 1 as id",
    "models/marts/rpt_sales.sql": """
        select c.name, sum(o.amount) as amount
        from {{ ref('fct_orders') }} o join {{ ref('dim_customers', v=2) }} c using (customer_id) group by 1
        """,
    "models/marts/marts.yml": """
        models:
          - name: fct_orders
            config: {meta: {owner: carla, cosmos: {operator_kwargs: {retries: 5, pool: warehouse}}}}
            columns:
              - name: order_id
                data_tests: [unique, not_null]
              - name: customer_id
                data_tests:
                  - relationships: {arguments: {to: ref('stg_customers'), field: customer_id}}
          - name: fct_divided
            columns:
              - name: number
                data_tests: [{accepted_values: {arguments: {values: [1], quote: false}}}]
          - name: dim_customers
            latest_version: 2
            config: {meta: {test_behavior: none}}
            columns: [{name: customer_id, data_tests: [unique]}, {name: name}]
            versions: [{v: 1}, {v: 2}]
        unit_tests:
          - name: names_are_upper_case
            model: dim_customers
            versions: {include: [2]}
            given: [{input: ref('stg_customers'), rows: [{customer_id: 1, name: ann}]}]
            expect: {rows: [{customer_id: 1, name: ANN}]}
        exposures:
          - name: sales_dashboard
            type: dashboard
            owner: {name: Carla, email: carla@example.com}
            depends_on: [ref('rpt_sales')]
        """,
    "snapshots/customers_history.sql": """
        {% snapshot customers_history %}
        {{ config(target_schema='main', unique_key='customer_id', strategy='check', check_cols=['name']) }}
        select * from {{ ref('stg_customers') }}
        {% endsnapshot %}
        """,
    "snapshots/snapshots.yml": """
        snapshots:
          - name: customers_history
            columns: [{name: customer_id, data_tests: [not_null]}]
        """,
    "analyses/look.sql": "select * from {{ ref('rpt_sales') }}",
    "tests/assert_no_sale_is_lost.sql": """
        select 1 from {{ ref('rpt_sales') }} where amount is null
        and (select count(*) from {{ ref('fct_orders') }}) = 0
        """,
}


def zoo(root: Path) -> Path:
    """Write a project with every kind of node below `root`; return its folder, `root`/zoo."""
    return write(root / "zoo", _ZOO)


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write `files` (path to indented text) below `folder`, and return it."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"))
    return folder


def small(root: Path, name: str, files: dict[str, str]) -> Path:
    """Write the project `name` of the given model, seed and .yml `files` below `root`; return its folder."""
    project = f'name: {name}\nversion: "1.0.0"\nprofile: {name}\nflags: {{send_anonymous_usage_stats: false}}\n'
    return write(root / name, {"dbt_project.yml": project, **files})


def layered_project(root: Path, n_models: int, name: str = "layered", width: int = 10) -> Path:
    """Write a project of `n_models` models in layers of `width`, each with two tests; return its folder.

    A model reads two of the layer before it.
    """
    files: dict[str, str] = {}
    for number in range(n_models):
        layer, place = divmod(number, width)
        before = [f"m{layer - 1:03}_{(place + step) % width:03}" for step in (0, 1)] if layer else []
        sql = " union ".join(f"select id from {{{{ ref('{parent}') }}}}" for parent in before)
        model = f"m{layer:03}_{place:03}"
        files[f"models/layer{layer:03}/{model}.sql"] = sql or "select 1 as id"
        files[f"models/layer{layer:03}/{model}.yml"] = (
            f"models: [{{name: {model}, columns: [{{name: id, data_tests: [unique, not_null]}}]}}]"
        )
    return small(root, name, files)
