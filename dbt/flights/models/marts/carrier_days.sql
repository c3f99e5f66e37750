with

flights as (

    select * from {{ ref('fct_flights') }}

),

final as (

    select
        {{ surrogate_key(['carrier_code', 'flight_date']) }} as carrier_day_id,
        carrier_code,
        flight_date,
        count(*) as flights,
        {{ count_where("status = 'completed'") }} as completed_flights,
        {{ count_where("status = 'cancelled'") }} as cancelled_flights,
        {{ count_where("status = 'diverted'") }} as diverted_flights,
        {{ count_where('is_late_departure') }} as late_departures,
        {{ count_where('is_late_arrival') }} as late_arrivals,
        {{ mean('departure_delay_minutes') }} as mean_departure_delay,
        {{ mean('arrival_delay_minutes') }} as mean_arrival_delay,
        max(arrival_delay_minutes) as longest_arrival_delay
    from flights
    group by carrier_code, flight_date

)

select * from final
