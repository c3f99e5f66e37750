with

flights as (

    select * from {{ ref('stg_flights') }}

),

classified as (

    select
        *,
        case
            when not has_departed then 'cancelled'
            when arrival_delay_minutes is null then 'diverted'
            else 'completed'
        end as status,
        coalesce(departure_delay_minutes >= {{ var('late_after_minutes') }}, false) as is_late_departure,
        coalesce(arrival_delay_minutes >= {{ var('late_after_minutes') }}, false) as is_late_arrival
    from flights

)

select * from classified
