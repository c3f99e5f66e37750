{#
  Drops the schema `prefix` and every schema whose name begins with it and "_", in each of `databases`, whatever the case.
  Prints what was dropped.
#}
{% macro drop_schemas(prefix, databases) %}
    {%- for database in databases -%}
        {%- for row in list_schemas(database) -%}
            {#- BigQuery answers with names, Snowflake with rows that have a name, others with rows of one column. -#}
            {%- set schema = row if row is string else (row['name'] if adapter.type() == 'snowflake' else row[0]) -%}
            {%- if schema | lower == prefix or (schema | lower).startswith(prefix ~ '_') -%}
                {%- do adapter.drop_schema(
                    api.Relation.create(database=database, schema=schema, quote_policy={'schema': true})
                ) -%}
                {%- do print('dropped ' ~ schema) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
{% endmacro %}
