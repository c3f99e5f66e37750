{#
  Loads one CSV file (gzip, with a header) into a table of the source `raw`:

    dbt run-operation load_raw --args '{"table": "flights", "path": "/tmp/2013-01-01.csv.gz", "day": "2013-01-01"}'
    dbt run-operation load_raw --args '{"table": "planes", "path": "/tmp/planes.csv.gz"}'

  Replaces the rows of that day, or the whole of a table that isn't loaded by day, in one transaction: a day twice, or many
  days in any order, give the same table. Columns and types are those of models/staging/__sources.yml; the file's columns
  are found by name. With "dry_run": true the statements are printed instead, and no warehouse is asked.
#}
{% macro load_raw(table, path, day=none, dry_run=false) %}
    {%- set source_node = flights.raw_source(table) -%}
    {%- set daily = '_loaded_day' in source_node.columns -%}
    {%- if daily and day is none -%}
        {{ exceptions.raise_compiler_error("load_raw: " ~ table ~ " is loaded by day; pass day, as in \"day\": \"2013-01-31\".") }}
    {%- elif day is not none and not daily -%}
        {{ exceptions.raise_compiler_error("load_raw: " ~ table ~ " has no column _loaded_day and is replaced whole; don't pass day.") }}
    {%- elif daily -%}
        {%- do flights.check_day(day) -%}
    {%- endif -%}
    {%- if not path or modules.re.search("[*?\\[\\]{}'\"\\\\\n]", path) -%}
        {{ exceptions.raise_compiler_error("load_raw: path must be one local file, without quotes and wildcards; got " ~ path ~ ".") }}
    {%- endif -%}

    {%- set relation = api.Relation.create(database=source_node.database, schema=source_node.schema, identifier=source_node.identifier) -%}
    {%- set load = {
        'relation': relation,
        'columns': flights.raw_columns(source_node),
        'path': path,
        'day': day | string if daily else none,
        'loaded_at': modules.datetime.datetime.now(modules.pytz.utc).strftime('%Y-%m-%d %H:%M:%S.%f'),
    } -%}
    {%- if dry_run -%}
        {%- for statement in adapter.dispatch('load_raw_statements', 'flights')(load) -%}
            {%- do print(statement | trim ~ ';\n') -%}
        {%- endfor -%}
    {%- else -%}
        {%- do adapter.dispatch('check_file', 'flights')(path) -%}
        {%- for statement in adapter.dispatch('load_raw_statements', 'flights')(load) -%}
            {%- do adapter.dispatch('run_load_statement', 'flights')(statement, load) -%}
        {%- endfor -%}
        {%- set rows = run_query('select count(*) from ' ~ relation ~ flights.rows_to_replace(load)).columns[0].values()[0] -%}
        {%- do print('Loaded ' ~ relation.schema ~ '.' ~ relation.identifier ~ (', day ' ~ day if daily else '') ~ ': ' ~ rows ~ ' rows') -%}
    {%- endif -%}
{% endmacro %}


{# Creates the raw tables, empty, where they are missing: for a `dbt build` before anything was loaded. #}
{% macro create_raw_tables() %}
    {%- for table in flights.raw_tables() | sort -%}
        {%- set source_node = flights.raw_source(table) -%}
        {%- set relation = api.Relation.create(database=source_node.database, schema=source_node.schema, identifier=source_node.identifier) -%}
        {%- for statement in flights.create_statements(relation, flights.raw_columns(source_node)) -%}
            {%- do run_query(statement) -%}
        {%- endfor -%}
        {%- do print('Exists: ' ~ relation.schema ~ '.' ~ relation.identifier) -%}
    {%- endfor -%}
{% endmacro %}


{# What is known about the raw tables, from __sources.yml #}

{% macro raw_tables() %}
    {%- set names = [] -%}
    {%- for node in graph.sources.values() if node.source_name == 'raw' and node.package_name == 'flights' -%}
        {%- do names.append(node.name) -%}
    {%- endfor -%}
    {{ return(names) }}
{% endmacro %}

{% macro raw_source(table) %}
    {%- for node in graph.sources.values() if node.source_name == 'raw' and node.name == table -%}
        {{ return(node) }}
    {%- endfor -%}
    {{ exceptions.raise_compiler_error("load_raw: there is no raw table " ~ table ~ " in models/staging/__sources.yml; there are "
        ~ flights.raw_tables() | sort | join(', ') ~ ".") }}
{% endmacro %}

{% macro raw_columns(source_node) %}
    {%- set types = {
        'string': dbt.type_string(), 'integer': dbt.type_int(), 'float': flights.double_type(),
        'timestamp': dbt.type_timestamp(), 'date': 'date',
    } -%}
    {%- set columns = [] -%}
    {%- for column in source_node.columns.values() -%}
        {%- if column.data_type not in types -%}
            {{ exceptions.raise_compiler_error("load_raw: " ~ source_node.name ~ "." ~ column.name ~ " in models/staging/__sources.yml has data_type "
                ~ column.data_type ~ "; it must be one of " ~ types | join(', ') ~ ".") }}
        {%- endif -%}
        {%- do columns.append({'name': column.name, 'type': types[column.data_type], 'in_file': not column.name.startswith('_loaded_')}) -%}
    {%- endfor -%}
    {{ return(columns) }}
{% endmacro %}

{% macro check_day(day) %}
    {%- set text = day | string -%}
    {%- set valid = modules.re.match('^[12][0-9]{3}-(0[1-9]|1[0-2])-[0-3][0-9]$', text) is not none -%}
    {%- if valid -%}
        {#- the first of the month plus the day must still be in that month #}
        {%- set first = modules.datetime.date(text[:4] | int, text[5:7] | int, 1) -%}
        {%- set same = first + modules.datetime.timedelta(days=(text[8:] | int) - 1) -%}
    {%- endif -%}
    {%- if not valid or same | string != text -%}
        {{ exceptions.raise_compiler_error("load_raw: day must be a date as 2013-01-31; got " ~ text ~ ".") }}
    {%- endif -%}
{% endmacro %}


{# Statements that are the same everywhere #}

{% macro create_statements(relation, columns) %}
    {%- set create_table -%}
create table if not exists {{ relation }} (
    {%- for column in columns %}
    {{ column.name }} {{ column.type }}{{ ',' if not loop.last }}
    {%- endfor %}
)
    {%- endset -%}
    {{ return(['create schema if not exists ' ~ relation.without_identifier(), create_table]) }}
{% endmacro %}

{% macro rows_to_replace(load) -%}
    {%- if load.day %} where _loaded_day = cast('{{ load.day }}' as date){% endif -%}
{%- endmacro %}

{% macro delete_statement(load) -%}
delete from {{ load.relation }}{{ flights.rows_to_replace(load) if load.day else ' where true' }}
{%- endmacro %}

{# `origin` is something to select from whose columns have the file's names and are text. #}
{% macro insert_statement(load, origin) -%}
insert into {{ load.relation }} ({{ load.columns | map(attribute='name') | join(', ') }})
select
    {%- for column in load.columns %}
    {% if column.in_file -%}
        cast(nullif({{ column.name }}, '') as {{ column.type }})
    {%- elif column.name == '_loaded_at' -%}
        cast('{{ load.loaded_at }}' as {{ column.type }})
    {%- elif column.name == '_loaded_day' -%}
        cast('{{ load.day }}' as {{ column.type }})
    {%- endif %}{{ ',' if not loop.last }}
    {%- endfor %}
from {{ origin }}
{%- endmacro %}

{% macro create_text_table(relation, columns, temporary) -%}
create {{ 'temporary ' if temporary }}table {{ relation }} (
    {%- for column in columns if column.in_file %}
    {{ column.name }} {{ dbt.type_string() }}{{ ',' if not loop.last }}
    {%- endfor %}
)
{%- endmacro %}

{% macro check_file(path) %}{{ return(adapter.dispatch('check_file', 'flights')(path)) }}{% endmacro %}

{# Snowflake's PUT and BigQuery's upload name a missing file themselves. #}
{% macro default__check_file(path) %}{% endmacro %}

{% macro default__run_load_statement(statement, load) %}
    {%- do run_query(statement) -%}
{% endmacro %}


{# DuckDB: reads the file where it lies #}

{% macro duckdb__check_file(path) %}
    {%- if run_query("select count(*) from glob('" ~ path ~ "')").columns[0].values()[0] == 0 -%}
        {{ exceptions.raise_compiler_error("load_raw: there is no file " ~ path ~ ".") }}
    {%- endif -%}
{% endmacro %}

{% macro duckdb__load_raw_statements(load) %}
    {%- set file -%}
read_csv('{{ load.path }}', compression = 'gzip', header = true, all_varchar = true, delim = ',', quote = '"', escape = '"', nullstr = '')
    {%- endset -%}
    {{ return(['begin transaction'] + flights.create_statements(load.relation, load.columns) + [
        flights.delete_statement(load),
        flights.insert_statement(load, file),
        'commit',
    ]) }}
{% endmacro %}


{# Snowflake: the file goes to a temporary stage and a temporary table, which end with the session. DDL commits, so it
   comes before the transaction. #}

{% macro snowflake__load_raw_statements(load) %}
    {%- set name = '_load_' ~ load.relation.identifier ~ '_' ~ modules.re.sub('[^0-9]', '', load.loaded_at) -%}
    {%- set staged = load.relation.incorporate(path={'identifier': name}) -%}
    {%- set stage = load.relation.incorporate(path={'identifier': name ~ '_stage'}) -%}
    {%- set copy -%}
copy into {{ staged }}
from @{{ stage }}
file_format = (type = csv compression = gzip parse_header = true field_optionally_enclosed_by = '"' empty_field_as_null = true)
match_by_column_name = case_insensitive
    {%- endset -%}
    {{ return(flights.create_statements(load.relation, load.columns) + [
        'create temporary stage ' ~ stage,
        "put 'file://" ~ load.path ~ "' @" ~ stage ~ ' source_compression = gzip auto_compress = false',
        flights.create_text_table(staged, load.columns, true),
        copy,
        'begin',
        flights.delete_statement(load),
        flights.insert_statement(load, staged),
        'commit',
    ]) }}
{% endmacro %}


{# BigQuery: the file is uploaded into a table of text that expires by itself should the load die; one script replaces the
   rows, since a transaction lives in a script. #}

{% macro bigquery__load_raw_statements(load) %}
    {%- set name = '_load_' ~ load.relation.identifier ~ '_' ~ modules.re.sub('[^0-9]', '', load.loaded_at) -%}
    {%- set staged = load.relation.incorporate(path={'identifier': name}) -%}
    {%- set script -%}
begin transaction;
{{ flights.delete_statement(load) }};
{{ flights.insert_statement(load, staged) }};
commit transaction
    {%- endset -%}
    {{ return(flights.create_statements(load.relation, load.columns) + [
        flights.create_text_table(staged, load.columns, false)
            ~ ' options (expiration_timestamp = timestamp_add(current_timestamp(), interval 1 hour))',
        '-- upload ' ~ load.path ~ ' to ' ~ name,
        script,
        'drop table ' ~ staged,
    ]) }}
{% endmacro %}

{% macro bigquery__run_load_statement(statement, load) %}
    {%- if statement.startswith('-- upload ') -%}
        {%- do adapter.upload_file(load.path, load.relation.database, load.relation.schema, statement.split(' ')[-1], kwargs={
            'source_format': 'CSV', 'skip_leading_rows': 1, 'source_column_match': 'NAME', 'null_marker': '',
            'write_disposition': 'WRITE_APPEND', 'create_disposition': 'CREATE_NEVER',
        }) -%}
    {%- else -%}
        {%- do run_query(statement) -%}
    {%- endif -%}
{% endmacro %}
