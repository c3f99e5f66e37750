"""How Airflow's processes open the local SQLite database: copied to $AIRFLOW_HOME/config. Standard library only.

Airflow creates backfills inside a SAVEPOINT that reads before it writes. SQLite gives such a transaction a snapshot
when it reads, and refuses the write at once ("database is locked", without waiting) if any other process wrote in
between, as the scheduler always does. A SAVEPOINT that begins by taking the write lock waits for its turn instead.
"""

import sqlite3
from typing import Any


class Cursor(sqlite3.Cursor):
    """A cursor whose outermost SAVEPOINT is a transaction that may write."""

    def execute(self, sql: str, *parameters: Any) -> "Cursor":
        """Execute a statement, with the write lock if it is the first SAVEPOINT of a transaction."""
        if sql.startswith("SAVEPOINT") and not self.connection.in_transaction:
            super().execute("BEGIN IMMEDIATE")
        return super().execute(sql, *parameters)


class Connection(sqlite3.Connection):
    """A connection of such cursors."""

    def cursor(self, factory: Any = Cursor) -> Any:
        """Return a new cursor."""
        return super().cursor(factory)


#: [database] sql_alchemy_connect_args; the timeout is for the write lock, in seconds.
CONNECT_ARGS = {"factory": Connection, "timeout": 30}
