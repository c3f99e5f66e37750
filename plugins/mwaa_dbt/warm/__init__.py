"""dbt kept warm: one process per project and configuration holds the parsed project and forks a child per request.

`client` runs in Airflow's task; `server`, `launcher` and `lean` run in dbt's virtualenv, by path, and import nothing of
this package.
"""
