with

source as (

    select * from {{ source('raw', 'flights') }}

),

dated as (

    select
        *,
        {{ make_date('year', 'month', 'day') }} as flight_date
    from source

),

renamed as (

    select

        ----------  ids
        {{ surrogate_key(['flight_date', 'carrier', 'flight', 'origin']) }} as flight_id,
        carrier as carrier_code,
        flight as flight_number,
        tailnum as tail_number,
        origin as origin_code,
        dest as destination_code,

        ----------  numbers
        dep_delay as departure_delay_minutes,
        arr_delay as arrival_delay_minutes,
        air_time as air_time_minutes,
        distance as distance_miles,
        hour as scheduled_hour,

        ----------  times
        flight_date,
        cast(
            {{ dbt.dateadd('minute', '(hour * 60 + minute)', 'cast(flight_date as ' ~ dbt.type_timestamp() ~ ')') }}
            as {{ dbt.type_timestamp() }}
        ) as scheduled_departure_at,
        time_hour as scheduled_hour_utc,
        dep_time is not null as has_departed,
        arr_time is not null as has_landed,
        _loaded_day as loaded_day,
        _loaded_at as loaded_at

    from dated

)

select * from renamed
