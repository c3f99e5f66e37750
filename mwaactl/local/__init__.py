"""MWAA on one machine: the services around it, its bucket, and the environment that boots from the bucket."""
