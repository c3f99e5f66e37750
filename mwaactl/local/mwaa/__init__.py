"""MWAA's API on one machine: what boto3's `mwaa` client talks to in a local environment."""
