with

flown as (

    select distinct tail_number
    from {{ ref('stg_flights') }}
    where tail_number is not null

),

registry as (

    select * from {{ ref('planes_history') }}
    where dbt_valid_to is null

),

joined as (

    select
        coalesce(registry.tail_number, flown.tail_number) as tail_number,
        registry.tail_number is not null as is_registered,
        registry.manufacturer,
        registry.aircraft_model,
        registry.aircraft_type,
        registry.engine_type,
        registry.year_built,
        registry.engine_count,
        registry.seat_count
    from registry
    full outer join flown
        on registry.tail_number = flown.tail_number

)

select * from joined
