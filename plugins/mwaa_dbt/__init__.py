"""dbt on MWAA: what DAG files import."""
