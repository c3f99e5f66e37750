with

flights as (

    select * from {{ ref('int_flights_with_weather') }}

),

final as (

    select
        {{ surrogate_key(['origin_code', 'weather_condition']) }} as origin_condition_id,
        origin_code,
        weather_condition,
        count(*) as flights,
        {{ ratio(count_where("status = 'cancelled'"), 'count(*)') }} as cancelled_share,
        {{ ratio(count_where('is_late_departure'), count_where('has_departed')) }} as late_departure_share,
        {{ mean('departure_delay_minutes') }} as mean_departure_delay
    from flights
    group by origin_code, weather_condition

)

select * from final
