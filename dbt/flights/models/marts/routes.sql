with

flights as (

    select * from {{ ref('fct_flights') }}

),

final as (

    select
        {{ surrogate_key(['origin_code', 'destination_code']) }} as route_id,
        origin_code,
        destination_code,
        max(distance_miles) as distance_miles,
        count(*) as flights,
        count(distinct carrier_code) as carriers,
        {{ ratio(count_where("status = 'cancelled'"), 'count(*)') }} as cancelled_share,
        {{ ratio(count_where('is_late_arrival'), count_where("status = 'completed'")) }} as late_arrival_share,
        {{ mean('departure_delay_minutes') }} as mean_departure_delay,
        {{ mean('arrival_delay_minutes') }} as mean_arrival_delay,
        {{ mean('air_time_minutes') }} as mean_air_time
    from flights
    group by origin_code, destination_code

)

select * from final
