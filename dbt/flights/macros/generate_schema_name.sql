{#
  Where a node lives. In prod: its own schema, plain (marts, staging, raw, ...). Elsewhere with the profile's schema in
  front (dev_marts, anna_marts), so that several people share one database. DuckDB's profile often names no schema and
  dbt then says "main": the target's name takes its place.
  What a pull request builds lives in schemas of its own, whatever the target: `mwaactl ci check` sets
  MWAACTL_CI_SCHEMA=pr_123, and the marts go to pr_123_marts.
  models/staging/__sources.yml repeats the rule for the raw schema, because a source's schema can't call macros; sources
  stay where they are for a pull request, too.
#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- set of_pull_request = env_var('MWAACTL_CI_SCHEMA', '') -%}
    {%- set prefix = of_pull_request or (target.name if target.schema == 'main' else target.schema) -%}
    {%- if custom_schema_name is none -%}
        {{ prefix }}
    {%- elif target.name == 'prod' and not of_pull_request -%}
        {{ custom_schema_name | trim }}
    {%- else -%}
        {{ prefix }}_{{ custom_schema_name | trim }}
    {%- endif -%}
{%- endmacro %}
