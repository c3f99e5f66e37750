with

aircraft as (

    select * from {{ ref('int_aircraft_registered') }}

),

flown as (

    select
        tail_number,
        sum(flights) as flights,
        min(flight_date) as first_flight_date,
        max(flight_date) as last_flight_date
    from {{ ref('int_aircraft_days') }}
    group by tail_number

),

final as (

    select
        aircraft.*,
        coalesce(flown.flights, 0) as flights,
        flown.first_flight_date,
        flown.last_flight_date
    from aircraft
    left join flown
        on aircraft.tail_number = flown.tail_number

)

select * from final
