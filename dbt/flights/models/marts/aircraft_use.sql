with

aircraft_days as (

    select
        *,
        {{ first_of_month('flight_date') }} as flight_month
    from {{ ref('int_aircraft_days') }}

),

final as (

    select
        {{ surrogate_key(['tail_number', 'flight_month']) }} as aircraft_month_id,
        tail_number,
        flight_month,
        sum(flights) as flights,
        count(*) as days_flown,
        {{ ratio('sum(flights)', 'count(*)') }} as flights_per_day,
        {{ ratio('sum(air_minutes)', '60') }} as air_hours,
        sum(miles) as miles,
        {{ ratio('sum(late_departures)', 'sum(flights)') }} as late_departure_share
    from aircraft_days
    group by tail_number, flight_month

)

select * from final
