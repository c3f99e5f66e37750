with

flights as (

    select
        loaded_day,
        count(*) as flight_rows,
        max(loaded_at) as flights_loaded_at
    from {{ ref('stg_flights') }}
    group by loaded_day

),

weather as (

    select
        loaded_day,
        count(*) as weather_rows,
        max(loaded_at) as weather_loaded_at
    from {{ ref('stg_weather') }}
    group by loaded_day

),

final as (

    select
        coalesce(flights.loaded_day, weather.loaded_day) as loaded_day,
        coalesce(flights.flight_rows, 0) as flight_rows,
        coalesce(weather.weather_rows, 0) as weather_rows,
        flights.flights_loaded_at,
        weather.weather_loaded_at
    from flights
    full outer join weather
        on flights.loaded_day = weather.loaded_day

)

select * from final
