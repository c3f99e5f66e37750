"""The layers of the dbt project flights, in the order in which data goes through them."""

#: Name of the task group -> what it holds, in dbt's syntax.
LAYERS = {
    "seeds": "resource_type:seed",
    "staging": "path:models/staging",
    "snapshots": "resource_type:snapshot",
    "intermediate": "path:models/intermediate",
    "marts": "path:models/marts",
}
