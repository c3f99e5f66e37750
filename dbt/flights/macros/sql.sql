{# Small pieces of SQL that every warehouse spells in its own way, or that models would otherwise repeat. #}

{% macro surrogate_key(columns) -%}
    {%- set parts = [] -%}
    {%- for column in columns -%}
        {%- do parts.append("'-'") if not loop.first -%}
        {%- do parts.append("coalesce(cast(" ~ column ~ " as " ~ dbt.type_string() ~ "), '_')") -%}
    {%- endfor -%}
    {{ dbt.hash(dbt.concat(parts)) }}
{%- endmacro %}

{# How many rows meet the condition; 0 when none do. #}
{% macro count_where(condition) -%}
    sum(case when {{ condition }} then 1 else 0 end)
{%- endmacro %}

{# A share between 0 and 1, NULL when there is nothing to share. #}
{% macro ratio(numerator, denominator) -%}
    round(cast({{ numerator }} as {{ double_type() }}) / nullif({{ denominator }}, 0), 4)
{%- endmacro %}

{# The mean of a column, NULLs left out, to two places. #}
{% macro mean(column) -%}
    round(avg(cast({{ column }} as {{ double_type() }})), 2)
{%- endmacro %}

{# 1 for Monday to 7 for Sunday. 1 January 1900 was a Monday. #}
{% macro iso_weekday(day) -%}
    mod({{ dbt.datediff("cast('1900-01-01' as date)", day, 'day') }}, 7) + 1
{%- endmacro %}

{% macro first_of_month(day) -%}
    cast({{ dbt.date_trunc('month', day) }} as date)
{%- endmacro %}

{% macro make_date(year, month, day) -%}
    {{ return(adapter.dispatch('make_date')(year, month, day)) }}
{%- endmacro %}

{% macro default__make_date(year, month, day) -%}
    make_date({{ year }}, {{ month }}, {{ day }})
{%- endmacro %}

{% macro snowflake__make_date(year, month, day) -%}
    date_from_parts({{ year }}, {{ month }}, {{ day }})
{%- endmacro %}

{% macro bigquery__make_date(year, month, day) -%}
    date({{ year }}, {{ month }}, {{ day }})
{%- endmacro %}

{# 64 bits everywhere: DuckDB's float, which dbt.type_float() says, has 32. #}
{% macro double_type() -%}
    {{ return(adapter.dispatch('double_type')()) }}
{%- endmacro %}

{% macro default__double_type() -%}
    {{ return(dbt.type_float()) }}
{%- endmacro %}

{% macro duckdb__double_type() -%}
    {{ return('double') }}
{%- endmacro %}
