with

flights as (

    select * from {{ ref('fct_flights') }}

),

weather as (

    select
        airport_code,
        weather_date,
        min(temperature_f) as lowest_temperature_f,
        max(temperature_f) as highest_temperature_f,
        round(sum(precipitation_inches), 2) as precipitation_inches,
        max(wind_mph) as strongest_wind_mph
    from {{ ref('int_weather_conditions') }}
    group by airport_code, weather_date

),

departures as (

    select
        origin_code as airport_code,
        flight_date,
        count(*) as flights,
        {{ count_where("status = 'cancelled'") }} as cancelled_flights,
        {{ count_where('is_late_departure') }} as late_departures,
        {{ mean('departure_delay_minutes') }} as mean_departure_delay
    from flights
    group by origin_code, flight_date

),

final as (

    select
        {{ surrogate_key(['departures.airport_code', 'departures.flight_date']) }} as airport_day_id,
        departures.airport_code,
        departures.flight_date,
        departures.flights,
        departures.cancelled_flights,
        departures.late_departures,
        departures.mean_departure_delay,
        weather.lowest_temperature_f,
        weather.highest_temperature_f,
        weather.precipitation_inches,
        weather.strongest_wind_mph
    from departures
    left join weather
        on departures.airport_code = weather.airport_code
        and departures.flight_date = weather.weather_date

)

select * from final
