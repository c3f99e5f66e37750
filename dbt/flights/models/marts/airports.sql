with

served as (

    select * from {{ ref('int_airports_served') }}

)

select
    airport_code,
    airport_name,
    is_listed,
    time_zone,
    latitude,
    longitude,
    altitude_feet,
    departures,
    arrivals
from served
