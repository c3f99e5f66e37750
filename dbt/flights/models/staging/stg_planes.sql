with

source as (

    select * from {{ source('raw', 'planes') }}

),

renamed as (

    select

        ----------  ids
        tailnum as tail_number,

        ----------  text
        manufacturer,
        model as aircraft_model,
        type as aircraft_type,
        engine as engine_type,

        ----------  numbers
        year as year_built,
        engines as engine_count,
        seats as seat_count,
        speed as cruising_mph

    from source

)

select * from renamed
