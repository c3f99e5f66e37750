"""The assets through which DAGs of this project wait for each other."""

from airflow.sdk import Asset

#: A day of raw flights, weather and planes has been loaded.
FLIGHTS_LOADED = Asset("flights_loaded")
