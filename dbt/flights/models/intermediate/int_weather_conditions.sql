with

weather as (

    select * from {{ ref('stg_weather') }}

),

conditions as (

    select
        *,
        -- the worst first: an hour has one condition
        case
            when visibility_miles < 3 then 'low visibility'
            when coalesce(gust_mph, wind_mph) >= 30 then 'strong wind'
            when precipitation_inches > 0 and temperature_f <= 32 then 'snow or ice'
            when precipitation_inches > 0 then 'rain'
            else 'fair'
        end as weather_condition
    from weather

)

select * from conditions
