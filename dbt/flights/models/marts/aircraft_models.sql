with

aircraft as (

    select * from {{ ref('aircraft') }}
    where is_registered

),

final as (

    select
        {{ surrogate_key(['manufacturer', 'aircraft_model']) }} as aircraft_model_id,
        manufacturer,
        aircraft_model,
        count(*) as aircraft,
        sum(seat_count) as seats,
        min(year_built) as oldest_year_built,
        max(year_built) as newest_year_built,
        sum(flights) as flights
    from aircraft
    group by manufacturer, aircraft_model

)

select * from final
