"""Why dbt failed, and whether the next try may succeed: the table, by what warehouses and dbt say.

Each line of a message is compared, from its beginning, with the table from top to bottom; the first line that a row
knows decides. So what stands further down in a message (the SQL of the model, values of the data) decides nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mwaa_dbt.results import Outcome


@dataclass(frozen=True)
class Cause:
    """A class of errors: its name, as people say it, and whether a later try may succeed (`passes`)."""

    name: str
    passes: bool


CONNECTION = Cause("the connection was lost", True)
BUSY = Cause("the warehouse was busy", True)
LIMIT = Cause("a rate limit was reached", True)
TROUBLE = Cause("the warehouse had trouble of its own", True)
UNKNOWN = Cause("an error of no known class", True)

TEST = Cause("a test failed on the data", False)
PROJECT = Cause("the dbt project is wrong", False)
SQL = Cause("the SQL is wrong", False)
MISSING = Cause("a table, view, schema or function is missing", False)
PERMISSION = Cause("a permission is missing, or the credentials are refused", False)
DATA = Cause("the data doesn't fit", False)
SETTING = Cause("a setting of the connection or warehouse is wrong", False)
QUOTA = Cause("a quota or budget is used up", False)


def _row(cause: Cause, adapter: str, pattern: str, source: str) -> tuple[Cause, str, re.Pattern[str], str]:
    return cause, adapter, re.compile(pattern), source


def _snowflake(number: str = r"\d{6}", state: str = r"\w{5}") -> str:
    # As its connector words them: number, SQL state, perhaps the query's id.
    return rf"{number} \({state}\): (?:\S+: )?"


#: What says which cause: cause, adapter, how the line begins, where the words come from.
ROWS = (
    # --- dbt, whatever the warehouse (dbt_common/exceptions/base.py and dbt/exceptions.py: MESSAGE of each class)
    _row(PROJECT, "dbt", r"(Compilation|Parsing|Dependency|Validation) Error", "dbt_common/exceptions/base.py"),
    _row(PROJECT, "dbt", r"DBT Configuration Error", "dbt_common/exceptions/base.py"),
    # --- DuckDB: the type of each exception, as it prints itself
    _row(BUSY, "duckdb", r"IO Error: Could not set lock on file", "duckdb.connect, a second process"),
    _row(BUSY, "duckdb", r"TransactionContext Error: .*[Cc]onflict", "two transactions, one table"),
    _row(BUSY, "duckdb", r"Out of Memory Error: ", "set memory_limit: other tasks' memory comes back"),
    _row(CONNECTION, "duckdb", r"(HTTP|IO) Error: .*\b(HTTP (HEAD|GET|code 5\d\d)|Could not connect)", "httpfs"),
    _row(LIMIT, "duckdb", r"HTTP Error: .*\b429\b", "httpfs"),
    _row(MISSING, "duckdb", r"Catalog Error: .*does not exist", "a query of what isn't there"),
    _row(MISSING, "duckdb", r"IO Error: No files found that match", "read_csv of what isn't there"),
    _row(SETTING, "duckdb", r"IO Error: (Cannot open file .*: No such file|The file .* not a valid DuckDB)", "connect"),
    _row(SETTING, "duckdb", r"Catalog Error: unrecognized configuration parameter", "set"),
    _row(PERMISSION, "duckdb", r"Permission Error: ", "duckdb.PermissionException"),
    _row(PERMISSION, "duckdb", r"Invalid Input Error: .*read-only mode", "connect(read_only=True)"),
    _row(SQL, "duckdb", r"(Parser|Binder|Syntax|Not implemented) Error: ", "duckdb.ParserException, BinderException"),
    _row(DATA, "duckdb", r"(Conversion|Constraint|Out of Range|Invalid Input) Error: ", "duckdb.DataError"),
    # --- Snowflake (snowflake/connector/errors.py, `Error.__init__`: number, state, words)
    _row(PERMISSION, "snowflake", _snowflake(state=r"28\w{3}"), "network.py, CREDENTIAL_REJECTION_GS_CODES"),
    _row(
        PERMISSION,
        "snowflake",
        _snowflake() + r"Failed to connect to DB.*(Incorrect username|JWT token is invalid|temporarily locked|"
        r"not allowed to access|account name is correct)",
        "auth/_auth.py, what the server answers to a login",
    ),
    _row(CONNECTION, "snowflake", _snowflake(r"25000[1235]"), "errorcode.py, ER_FAILED_TO_CONNECT_TO_DB and others"),
    _row(CONNECTION, "snowflake", r"25(000[1235]|1011|1012|2010): ", "the same, without an SQL state"),
    _row(CONNECTION, "snowflake", _snowflake(r"39011[0-5]"), "network.py, SESSION_EXPIRED_GS_CODE and others"),
    _row(LIMIT, "snowflake", r"290429: ", "errors.py, TooManyRequests"),
    _row(TROUBLE, "snowflake", r"290(408|5\d\d): ", "errors.py, ServiceUnavailableError and others"),
    _row(TROUBLE, "snowflake", _snowflake("(000603|300010)"), "SQL execution internal error"),
    _row(BUSY, "snowflake", _snowflake("00062[56]"), "a lock that wasn't released, too many waiters"),
    _row(BUSY, "snowflake", _snowflake() + r".*queued timeout", "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS"),
    _row(CONNECTION, "snowflake", _snowflake(state=r"08\w{3}"), "sqlstate.py: connection exceptions"),
    _row(QUOTA, "snowflake", _snowflake() + r".*resource monitor .*exceeded its quota", "resource monitors"),
    _row(SETTING, "snowflake", _snowflake("(000606|090105)"), "no active warehouse, no current database"),
    _row(PERMISSION, "snowflake", _snowflake(state="42501"), "SQL access control error"),
    _row(MISSING, "snowflake", _snowflake("(002003|002043)"), "object does not exist or not authorized"),
    _row(DATA, "snowflake", _snowflake("100090"), "duplicate rows in a merge (dbt/adapters/snowflake/connections.py)"),
    _row(SQL, "snowflake", _snowflake(state=r"42\w{3}"), "SQL state 42: syntax error or access rule"),
    _row(SQL, "snowflake", _snowflake() + r"SQL compilation error", "whatever its state"),
    _row(DATA, "snowflake", _snowflake(state=r"2[23]\w{3}"), "SQL states 22, 23: data, constraints"),
    # --- BigQuery: the server's message alone (dbt/adapters/bigquery/connections.py, `handle_error`), or, for what is
    # no 400, 403 or 404, the exception with its status (google/api_core/exceptions.py, `GoogleAPICallError.__str__`)
    _row(QUOTA, "bigquery", r"Custom quota exceeded", "custom query quotas: until the next day"),
    _row(QUOTA, "bigquery", r"Query exceeded limit for bytes billed", "maximum_bytes_billed"),
    _row(LIMIT, "bigquery", r"((403|429) .*)?((Job e|E)xceeded rate limits|Quota exceeded)", "rateLimitExceeded"),
    _row(LIMIT, "bigquery", r"429 ", "exceptions.TooManyRequests"),
    _row(BUSY, "bigquery", r".*due to concurrent update", "two transactions, one table"),
    _row(TROUBLE, "bigquery", r"50[0234] ", "google/cloud/bigquery/retry.py, _UNSTRUCTURED_RETRYABLE_TYPES"),
    _row(TROUBLE, "bigquery", r"An internal error occurred and the request could not be completed", "internalError"),
    _row(TROUBLE, "bigquery", r".*[Rr]etrying (the job )?(may|should) solve the problem", "backendError"),
    _row(CONNECTION, "bigquery", r"Timeout of .* exceeded, last exception: ", "google/api_core/retry, RetryError"),
    _row(PERMISSION, "bigquery", r"(40[13] .*)?Access Denied: ", "accessDenied"),
    _row(PERMISSION, "bigquery", r"Unable to generate access token", "connections.py, RefreshError"),
    _row(MISSING, "bigquery", r"(404 .*)?Not found: (Table|Dataset|Project|Function|Routine|View)", "notFound"),
    _row(MISSING, "bigquery", r"Function not found: ", "invalidQuery"),
    _row(
        SQL,
        "bigquery",
        r"(Syntax error|Unrecognized name|No matching signature|Name .* not found inside|Column name .* is ambiguous|"
        r"SELECT list expression references|Query column \d+)",
        "invalidQuery",
    ),
    _row(
        DATA,
        "bigquery",
        r"(Bad \w+ value|Division by zero|division by zero|Could not (cast|parse)|Invalid (date|timestamp|datetime)|"
        r"UPDATE/MERGE must match at most one|Scalar subquery produced more than one)",
        "invalidQuery",
    ),
    # --- Python's network libraries, under any of them; last, since they may stand anywhere in a line
    _row(CONNECTION, "any", r".*\bMax retries exceeded with url", "urllib3.exceptions.MaxRetryError"),
    _row(CONNECTION, "any", r".*(Connection (aborted|reset|refused|timed out)|Read timed out)", "requests, OSError"),
    _row(CONNECTION, "any", r".*(Temporary failure in name resolution|Remote end closed connection)", "socket, http"),
)


#: Before a node dbt may end with a traceback, whose last line has the exception's class before its words.
_CLASS = re.compile(r"[\w.]+(Error|Exception): ")


def of_text(text: str) -> Cause:
    """Return the cause of an error that dbt words as `text`; UNKNOWN if no row knows it."""
    for line in text.splitlines():
        words = line.strip()
        if found := _CLASS.match(words):
            words = words[found.end() :]
        for cause, _, pattern, _ in ROWS:
            if pattern.match(words):
                return cause
    return UNKNOWN


def of(outcome: Outcome) -> Cause:
    """Return why the command of `outcome` failed.

    One node that would fail again makes the next try as vain as if all would: its cause comes first. A failed test is
    known by its status, not by its words.
    """
    if not outcome.failed_nodes:
        return of_text(outcome.error_text())
    found = [TEST if node.is_test and node.status == "fail" else of_text(node.message) for node in outcome.failed_nodes]
    found.sort(key=lambda cause: (cause.passes, cause is UNKNOWN))
    return found[0]
