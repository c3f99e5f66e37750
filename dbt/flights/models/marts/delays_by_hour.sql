with

flights as (

    select
        *,
        {{ iso_weekday('flight_date') }} as weekday
    from {{ ref('fct_flights') }}

),

final as (

    select
        {{ surrogate_key(['origin_code', 'weekday', 'scheduled_hour']) }} as origin_hour_id,
        origin_code,
        weekday,
        scheduled_hour,
        count(*) as flights,
        {{ ratio(count_where('is_late_departure'), count_where("status <> 'cancelled'")) }} as late_departure_share,
        {{ mean('departure_delay_minutes') }} as mean_departure_delay
    from flights
    group by origin_code, weekday, scheduled_hour

)

select * from final
