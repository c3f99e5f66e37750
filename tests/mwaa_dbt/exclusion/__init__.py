"""Tests of plugins/mwaa_dbt/exclusion."""
