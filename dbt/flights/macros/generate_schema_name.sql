{#
  Where a node lives. In prod: its own schema, plain (marts, staging, raw, ...). Elsewhere with the profile's schema in
  front (dev_marts, anna_marts, pr_123_marts), so that several people share one database. DuckDB's profile often names no
  schema and dbt then says "main": the target's name takes its place.
  models/staging/__sources.yml repeats the rule for the raw schema, because a source's schema can't call macros.
#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- set prefix = target.name if target.schema == 'main' else target.schema -%}
    {%- if custom_schema_name is none -%}
        {{ prefix }}
    {%- elif target.name == 'prod' -%}
        {{ custom_schema_name | trim }}
    {%- else -%}
        {{ prefix }}_{{ custom_schema_name | trim }}
    {%- endif -%}
{%- endmacro %}
