"""DAGs that share the name of a lock never work at the same time: docs/decisions/exclusion.md.

lease.py decides (pure), store.py keeps the lease in the bucket, turn.py asks for a run's turn, tasks.py is what DAGs
hold.
"""
