with

flights as (

    select * from {{ ref('int_flights_classified') }}

),

weather as (

    select * from {{ ref('int_weather_conditions') }}

),

joined as (

    select
        flights.*,
        coalesce(weather.weather_condition, 'not recorded') as weather_condition,
        weather.temperature_f,
        weather.wind_mph,
        weather.visibility_miles,
        weather.precipitation_inches
    from flights
    left join weather
        on flights.origin_code = weather.airport_code
        and flights.scheduled_hour_utc = weather.hour_utc

)

select * from joined
