with

flights as (

    select * from {{ ref('stg_flights') }}

),

airports as (

    select * from {{ ref('stg_airports') }}

),

served as (

    select
        origin_code as airport_code,
        true as is_origin
    from flights
    union all
    select
        destination_code as airport_code,
        false as is_origin
    from flights

),

grouped as (

    select
        airport_code,
        {{ count_where('is_origin') }} as departures,
        {{ count_where('not is_origin') }} as arrivals
    from served
    group by airport_code

),

named as (

    select
        grouped.airport_code,
        -- the list leaves out some airports that are flown to
        coalesce(airports.airport_name, grouped.airport_code) as airport_name,
        airports.airport_code is not null as is_listed,
        airports.time_zone,
        airports.latitude,
        airports.longitude,
        airports.altitude_feet,
        grouped.departures,
        grouped.arrivals
    from grouped
    left join airports
        on grouped.airport_code = airports.airport_code

)

select * from named
