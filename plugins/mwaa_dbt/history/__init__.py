"""History that survives: every result of dbt, kept in the bucket, whatever becomes of the node, the task or the run.

``recording`` writes (tasks, through operators.py); ``days`` and ``index`` and what is built on them read (mwaactl, the
page in Airflow's UI). docs/history.md is for users, docs/decisions/history.md says why.
"""
