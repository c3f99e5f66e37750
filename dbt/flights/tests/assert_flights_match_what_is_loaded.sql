-- The incremental table holds, day by day, as many flights as staging: no day was missed, doubled or left behind.
-- In a run with a window, of the window's days: the others may wait for a run of their own.
{{ config(meta={'owner': 'data-engineering'}) }}

with

loaded as (

    select
        flight_date,
        count(*) as flights
    from {{ ref('stg_flights') }}
    group by flight_date

),

built as (

    select
        flight_date,
        count(*) as flights
    from {{ ref('fct_flights') }}
    group by flight_date

)

select
    coalesce(loaded.flight_date, built.flight_date) as flight_date,
    loaded.flights as loaded_flights,
    built.flights as built_flights
from loaded
full outer join built
    on loaded.flight_date = built.flight_date
where
    coalesce(loaded.flights, 0) <> coalesce(built.flights, 0)
    {% if has_window() %}
    and {{ in_window('coalesce(loaded.flight_date, built.flight_date)') }}
    {% endif %}
