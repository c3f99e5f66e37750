with

flights as (

    select * from {{ ref('fct_flights') }}

),

airlines as (

    select * from {{ ref('stg_airlines') }}

),

flown as (

    select
        carrier_code,
        count(*) as flights,
        count(distinct destination_code) as destinations,
        min(flight_date) as first_flight_date,
        max(flight_date) as last_flight_date,
        {{ ratio(count_where('is_late_arrival'), count_where("status = 'completed'")) }} as late_arrival_share,
        {{ ratio(count_where("status = 'cancelled'"), 'count(*)') }} as cancelled_share
    from flights
    group by carrier_code

),

final as (

    select
        airlines.carrier_code,
        airlines.carrier_name,
        coalesce(flown.flights, 0) as flights,
        coalesce(flown.destinations, 0) as destinations,
        flown.first_flight_date,
        flown.last_flight_date,
        flown.late_arrival_share,
        flown.cancelled_share
    from airlines
    left join flown
        on airlines.carrier_code = flown.carrier_code

)

select * from final
