{#
  A run's window of days: the vars window_start and window_end (UTC, the end not included), which DAGs pass with a trigger
  form of `run_params(window=True)`. Without dbt knows no window: models take what has changed.
#}

{% macro has_window() -%}
    {{ return(var('window_start', none) is not none) }}
{%- endmacro %}

{# Whether a day lies in the window, if only in part. #}
{% macro in_window(day) -%}
    {%- set start = modules.datetime.datetime.fromisoformat(var('window_start')) -%}
    {%- set end = modules.datetime.datetime.fromisoformat(var('window_end')) -%}
    {%- if end <= start -%}
        {{ exceptions.raise_compiler_error('The window ends before it starts: ' ~ start ~ ' to ' ~ end) }}
    {%- endif -%}
    {%- set last = end - modules.datetime.timedelta(microseconds=1) -%}
    {{ day }} between cast('{{ start.date() }}' as date) and cast('{{ last.date() }}' as date)
{%- endmacro %}
