-- Departures by airport and by carrier are two sums over the same flights.
{{ config(meta={'owner': 'analytics'}) }}

with

totals as (

    select
        (select coalesce(sum(flights), 0) from {{ ref('airport_days') }}) as by_airport,
        (select coalesce(sum(flights), 0) from {{ ref('carrier_days') }}) as by_carrier

)

select * from totals
where by_airport <> by_carrier
