"""Run by dbt's own Python: prints, as JSON, what real errors of the three adapters read like when dbt tells of them.

DuckDB's are provoked. Snowflake's and BigQuery's are made by their clients' own exception classes from what the server
answers, and go through the adapters' own exception handlers; SERVER names where an answer of the server is documented.
"""

import json
import logging
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from http.client import RemoteDisconnected
from pathlib import Path
from typing import Any

found: dict[str, list[str]] = {}


def note(cause: str, error: BaseException) -> None:
    found.setdefault(cause, []).append(str(error))


def through(handler: Callable[[str], Any], cause: str, error: BaseException) -> None:
    """Note what dbt says when `error` comes up in a query."""
    try:
        with handler("select 1"):
            raise error
    except Exception as told:
        note(cause, told)


def duckdb_errors() -> None:
    import duckdb
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager as Manager

    manager = Manager.__new__(Manager)
    manager.rollback_if_open = manager.release = lambda *_: None  # type: ignore[method-assign]
    folder = Path(tempfile.mkdtemp())
    file = folder / "x.duckdb"
    connection = duckdb.connect(file)
    connection.execute("create table t(a int primary key, b varchar)")
    connection.execute("insert into t values (1, 'x')")

    def query(cause: str, sql: str, on: Any = connection) -> None:
        try:
            on.execute(sql)
        except Exception as error:
            through(manager.exception_handler, cause, error)
        else:
            raise AssertionError(f"no error: {sql}")

    second = subprocess.run(
        [sys.executable, "-c", f"import duckdb; duckdb.connect({str(file)!r})"], capture_output=True, text=True
    )
    note("BUSY", Exception(second.stderr.strip().splitlines()[-1].partition(": ")[2]))
    one, other = connection.cursor(), connection.cursor()
    one.execute("begin")
    other.execute("begin")
    one.execute("update t set b = '1'")
    query("BUSY", "update t set b = '2'", other)
    other.execute("rollback")
    other.execute("begin")
    one.execute("create table u(a int)")
    query("BUSY", "create table u(a int)", other)
    small = duckdb.connect(config={"memory_limit": "10MB", "threads": 1, "temp_directory": ""})
    query("BUSY", "create table big as select list(range) from range(3000000)", small)
    query("MISSING", "select * from nope")
    query("MISSING", "select nofun(1)")
    query("MISSING", "select * from read_csv('/nope/x.csv')")
    query("SQL", "selec 1")
    query("SQL", "select nope from t")
    query("SQL", 'select "Connection reset by peer" from t')
    query("SQL", "select a from t group by b")
    query("DATA", "insert into t values (1, 'y')")
    query("DATA", "insert into t values (null, 'y')")
    query("DATA", "select 'Read timed out'::int")
    query("DATA", "select 9223372036854775807 + 1")
    query("DATA", "select error('rate limit exceeded')")
    query("SETTING", "set nosuch = 1")
    query("SETTING", "attach '/nope/y.db'")
    (folder / "no.duckdb").write_text("no database" * 1000)
    try:
        duckdb.connect(folder / "no.duckdb")
    except Exception as error:
        note("SETTING", error)
    duckdb.connect(folder / "ro.duckdb").close()
    query("PERMISSION", "create table z(a int)", duckdb.connect(folder / "ro.duckdb", read_only=True))


def snowflake_errors() -> None:
    from dbt.adapters.snowflake.connections import SnowflakeConnectionManager as Manager
    from snowflake.connector import errorcode, errors, network

    manager = Manager.__new__(Manager)
    manager.rollback_if_open = lambda: None  # type: ignore[method-assign]
    host = "Failed to connect to DB: ab12345.snowflakecomputing.com:443. "

    def said(cause: str, number: int, state: str | None, words: str, kind: Any = errors.ProgrammingError) -> None:
        through(manager.exception_handler, cause, kind(msg=words, errno=number, sqlstate=state))

    # Made by the connector itself (snowflake/connector/network.py, auth/_auth.py, auth/by_plugin.py).
    for status in (500, 502, 503, 504, 408):
        through(manager.exception_handler, "TROUBLE", network.get_http_retryable_error(status))
    through(manager.exception_handler, "LIMIT", network.get_http_retryable_error(429))
    failed, request = errorcode.ER_FAILED_TO_CONNECT_TO_DB, errorcode.ER_FAILED_TO_REQUEST
    said("CONNECTION", request, None, "Failed to execute request: Connection reset by peer", errors.OperationalError)
    unavailable = (
        "Failed to connect to DB. Service is unavailable: ab12345.snowflakecomputing.com:443. 290503: HTTP 503"
    )
    said("CONNECTION", failed, "08001", unavailable, errors.OperationalError)
    gone = "Could not connect to Snowflake backend after 7 attempt(s).Aborting"
    said("CONNECTION", failed, None, gone, errors.OperationalError)
    said("CONNECTION", errorcode.ER_CONNECTION_IS_CLOSED, "08003", "Connection is closed", errors.DatabaseError)
    wrong = "Incorrect username or password was specified."
    said("PERMISSION", 390100, "28000", host + wrong, errors.DatabaseError)
    said("PERMISSION", failed, "08001", host + wrong, errors.DatabaseError)  # connectors before 4
    said("PERMISSION", 390144, "28000", host + "JWT token is invalid.", errors.DatabaseError)
    # SERVER: the texts that people meet, by number and state.
    expired = "Authentication token has expired.  The user must authenticate again."
    said("CONNECTION", int(network.MASTER_TOKEN_EXPIRED_GS_CODE), "08001", expired)
    said("TROUBLE", 603, "XX000", "SQL execution internal error:\nProcessing aborted by error 300010:391167117")
    locked = "Statement '01a2' has locked table 'ORDERS' in transaction 1620 and this lock has not yet been released."
    said("BUSY", 625, "57014", locked)
    said(
        "BUSY", 626, "57014", "Your statement was aborted because the number of waiters for this lock exceeds the limit"
    )
    said("BUSY", 630, "57014", "Statement reached its queued timeout of 60 second(s) and was canceled.")
    said(
        "UNKNOWN",
        630,
        "57014",
        "Statement reached its statement or warehouse timeout of 300 second(s) and was canceled.",
    )
    said("UNKNOWN", 604, "57014", "SQL execution canceled")
    monitor = "Warehouse 'WH' cannot be resumed because resource monitor 'MONTH' has exceeded its quota."
    said("QUOTA", 90073, "22000", monitor)
    said("SETTING", 606, "57P03", "No active warehouse selected in the current session.  Select an active warehouse.")
    said("PERMISSION", 3001, "42501", "SQL access control error:\nInsufficient privileges to operate on schema 'RAW'")
    said("MISSING", 2003, "42S02", "SQL compilation error:\nObject 'RAW.ORDERS' does not exist or not authorized.")
    said("MISSING", 2003, "02000", "SQL compilation error:\nDatabase 'RAW' does not exist or not authorized.")
    said("SQL", 1003, "42000", "SQL compilation error:\nsyntax error line 1 at position 0 unexpected 'selec'.")
    said(
        "SQL", 904, "42000", "SQL compilation error: error line 1 at position 7\ninvalid identifier 'CONNECTION_RESET'"
    )
    said("DATA", 100038, "22018", "Numeric value 'Read timed out' is not recognized")
    said("DATA", 100090, "42P18", "Duplicate row detected during DML action\nRow Values: [1, 2]")
    said("DATA", 100072, "22000", "NULL result in a non-nullable column")


def bigquery_errors() -> None:
    import requests
    from dbt.adapters.bigquery.connections import BigQueryConnectionManager as Manager
    from google.api_core import exceptions
    from google.auth.exceptions import RefreshError

    manager = Manager.__new__(Manager)

    def said(cause: str, status: int, reason: str, words: str) -> None:
        errors = [{"message": words, "reason": reason, "domain": "global"}]
        through(manager.exception_handler, cause, exceptions.from_http_status(status, words, errors=errors))

    # SERVER: cloud.google.com/bigquery/docs/error-messages and troubleshoot-quotas
    rate = "Exceeded rate limits: too many table update operations for this table. For more information, see https://x"
    said("LIMIT", 403, "rateLimitExceeded", rate)
    said("LIMIT", 400, "jobRateLimitExceeded", f"Job e{rate[1:]}")
    said("LIMIT", 403, "quotaExceeded", "Quota exceeded: Your project exceeded quota for concurrent queries.")
    said("LIMIT", 429, "tooManyRequests", "Too many requests")
    said(
        "QUOTA",
        403,
        "quotaExceeded",
        "Custom quota exceeded: Your usage exceeded the custom quota for QueryUsagePerDay",
    )
    said(
        "QUOTA",
        400,
        "bytesBilledLimitExceeded",
        "Query exceeded limit for bytes billed: 1. 10485760 or higher required.",
    )
    concurrent = "Could not serialize access to table p:d.t due to concurrent update"
    said("BUSY", 400, "invalidQuery", concurrent)
    said("BUSY", 400, "invalidQuery", "Transaction is aborted due to concurrent update against table p:d.t")
    internal = "An internal error occurred and the request could not be completed. Error: 80038528"
    said("TROUBLE", 500, "internalError", internal)
    said("TROUBLE", 400, "internalError", internal)
    said("TROUBLE", 503, "backendError", "The service is currently unavailable.")
    said("TROUBLE", 502, "badGateway", "Bad Gateway")
    said("TROUBLE", 400, "jobBackendError", "Error encountered during execution. Retrying may solve the problem.")
    said(
        "PERMISSION",
        403,
        "accessDenied",
        "Access Denied: Project p: User does not have bigquery.jobs.create permission",
    )
    said("MISSING", 404, "notFound", "Not found: Table p:d.orders was not found in location US")
    said("MISSING", 404, "notFound", "Not found: Dataset p:d was not found in location EU")
    said("MISSING", 400, "invalidQuery", "Function not found: NOFUN at [1:8]")
    said("SQL", 400, "invalidQuery", 'Syntax error: Unexpected identifier "selec" at [1:1]')
    said("SQL", 400, "invalidQuery", "Unrecognized name: rate_limit; Did you mean rate? at [2:8]")
    said("SQL", 400, "invalidQuery", "No matching signature for operator = for argument types: INT64, STRING at [3:7]")
    said("DATA", 400, "invalidQuery", "Bad int64 value: Quota exceeded")
    said("DATA", 400, "invalidQuery", "division by zero: 1 / 0")
    said("DATA", 400, "invalidQuery", "UPDATE/MERGE must match at most one source row for each target row")
    through(manager.exception_handler, "PERMISSION", RefreshError("no token"))
    retried = exceptions.RetryError("Timeout of 600.0s exceeded", exceptions.ServiceUnavailable("busy"))
    through(manager.exception_handler, "CONNECTION", retried)
    # A port where nobody listens: what requests really says.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with suppress(AssertionError):
        try:
            requests.get(f"http://127.0.0.1:{port}/bigquery", timeout=5)
        except requests.ConnectionError as error:
            through(manager.exception_handler, "CONNECTION", error)
    through(manager.exception_handler, "CONNECTION", requests.ReadTimeout("HTTPSConnectionPool: Read timed out."))
    through(manager.exception_handler, "CONNECTION", ConnectionResetError(104, "Connection reset by peer"))
    through(
        manager.exception_handler, "CONNECTION", RemoteDisconnected("Remote end closed connection without response")
    )
    nowhere = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    through(manager.exception_handler, "CONNECTION", nowhere)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    answers = {}
    for adapter in (duckdb_errors, snowflake_errors, bigquery_errors):
        found = {}
        adapter()
        answers[adapter.__name__.partition("_")[0]] = found
    sys.stdout.write("\n" + json.dumps(answers) + "\n")
