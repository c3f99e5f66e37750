with

carrier_days as (

    select
        *,
        {{ first_of_month('flight_date') }} as flight_month
    from {{ ref('carrier_days') }}

),

airlines as (

    select * from {{ ref('stg_airlines') }}

),

months as (

    select
        carrier_code,
        flight_month,
        sum(flights) as flights,
        {{ ratio('sum(completed_flights - late_arrivals)', 'sum(flights)') }} as on_time_share,
        {{ ratio('sum(cancelled_flights)', 'sum(flights)') }} as cancelled_share
    from carrier_days
    group by carrier_code, flight_month

),

final as (

    select
        {{ surrogate_key(['months.carrier_code', 'months.flight_month']) }} as carrier_month_id,
        months.carrier_code,
        coalesce(airlines.carrier_name, months.carrier_code) as carrier_name,
        months.flight_month,
        months.flights,
        months.on_time_share,
        months.cancelled_share,
        rank() over (partition by months.flight_month order by months.on_time_share desc) as on_time_rank
    from months
    left join airlines
        on months.carrier_code = airlines.carrier_code

)

select * from final
