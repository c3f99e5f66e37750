with

source as (

    select * from {{ ref('raw_airports') }}

),

renamed as (

    select

        ----------  ids
        faa as airport_code,

        ----------  text
        name as airport_name,
        tzone as time_zone,

        ----------  numbers
        lat as latitude,
        lon as longitude,
        alt as altitude_feet

    from source

)

select * from renamed
