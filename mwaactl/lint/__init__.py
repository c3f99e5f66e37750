"""Rules for what a team writes here: dbt projects, their SQL, DAG files."""
