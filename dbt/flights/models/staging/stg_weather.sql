with

source as (

    select * from {{ source('raw', 'weather') }}

),

renamed as (

    select

        ----------  ids
        {{ surrogate_key(['origin', 'time_hour']) }} as weather_id,
        origin as airport_code,

        ----------  numbers
        hour as local_hour,
        temp as temperature_f,
        dewp as dew_point_f,
        humid as humidity_percent,
        wind_dir as wind_direction_degrees,
        wind_speed as wind_mph,
        wind_gust as gust_mph,
        precip as precipitation_inches,
        pressure as pressure_millibar,
        visib as visibility_miles,

        ----------  times
        {{ make_date('year', 'month', 'day') }} as weather_date,
        time_hour as hour_utc,
        _loaded_day as loaded_day,
        _loaded_at as loaded_at

    from source

)

select * from renamed
