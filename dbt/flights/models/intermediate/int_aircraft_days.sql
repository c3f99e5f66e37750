with

flights as (

    select * from {{ ref('int_flights_classified') }}

),

flown as (

    select
        tail_number,
        flight_date,
        count(*) as flights,
        count(distinct origin_code) as origins,
        sum(coalesce(air_time_minutes, 0)) as air_minutes,
        sum(distance_miles) as miles,
        {{ count_where('is_late_departure') }} as late_departures,
        min(scheduled_departure_at) as first_departure_at,
        max(scheduled_departure_at) as last_departure_at
    from flights
    where
        tail_number is not null
        and has_departed
    group by tail_number, flight_date

)

select * from flown
