"""Driver errors as the store's own."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from msc_authority.ports.store import StoreError, StoreUnavailable

# Results of SQLite that say "not now" rather than "never": https://www.sqlite.org/rescode.html
_PASSING = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR", "SQLITE_FULL", "SQLITE_CANTOPEN", "SQLITE_PROTOCOL")

TAKEN_BACK = frozenset({"40001", "40P01"})
"""PostgreSQL took a transaction back for another's sake (serialization failure, deadlock): it may be done again."""


@dataclass(frozen=True, slots=True)
class _Case:
    """One way PostgreSQL refuses: its SQLSTATE or how that begins, and what it says while it lets nobody in yet, when
    libpq knows no SQLSTATE.
    """

    state: str
    says: str
    passing: bool
    advice: str


# https://www.postgresql.org/docs/current/errcodes-appendix.html. The first that fits counts.
_CASES = (
    _Case(
        "25006",
        r"server is in hot standby mode|session is read-only|server is not in hot standby",
        True,
        "it takes no writes: a replica answers, or it was made read-only; let the URL name all hosts, as in "
        "?host=a&host=b, or wait until the primary is back",
    ),
    _Case("28P01", r"password authentication failed|no password supplied|SASL", False, "check user and password"),
    _Case(
        "28", r"no pg_hba\.conf entry|role \"[^\"]*\" does not exist", False, "let the server's pg_hba.conf admit us"
    ),
    _Case("3D000", r"database \"[^\"]*\" does not exist", False, "make it with CREATE DATABASE, owned by our user"),
    _Case("42501", r"permission denied", False, "make our user the owner of the database, or GRANT what is missing"),
    _Case("53100", r"No space left on device", True, "the server's disk is full: make room there"),
    _Case(
        "53300",
        r"too many clients|too many connections|connection slots are reserved",
        True,
        "raise the server's max_connections, or close what else is connected",
    ),
    _Case("55P03", r"(?!)", True, "another session holds a lock for long: see pg_locks and pg_stat_activity"),
    _Case("57014", r"(?!)", True, "it is too slow for the statement_timeout: see pg_stat_activity"),
    _Case("57P03", r"the database system is (?:starting|shutting|not yet|in)", True, "it will let us in soon"),
    _Case("", r"SSL connection has been closed|SSL SYSCALL error|unexpected eof", True, "the connection broke off"),
    _Case("", r"certificate|SSL|TLS", False, "check sslmode, sslrootcert, sslcert and sslkey of the URL"),
    _Case("", r"invalid (?:connection option|sslmode|value for)|invalid .* value:", False, "check the URL"),
)
_PASSING_CLASSES = ("08", "40", "53", "55", "57", "58")


@contextmanager
def store_errors(url: URL) -> Iterator[None]:
    """Turns what the driver raises inside into StoreUnavailable or StoreError, with the driver's error as cause."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, StatementError) and error.orig is not None else error
        raise _ours(error, cause, url) from cause


def shown(url: URL) -> str:
    """The URL without what is secret in it."""
    return url.difference_update_query(["sslpassword"]).render_as_string(hide_password=True)


def sqlstate_of(error: BaseException | None) -> str:
    """PostgreSQL's five characters for what went wrong; empty where there are none."""
    return getattr(error, "sqlstate", None) or ""


def _ours(error: Exception, cause: BaseException, url: URL) -> StoreError:
    text = " ".join(str(cause).split())
    for secret in filter(None, (url.password, url.query.get("sslpassword"))):
        text = text.replace(str(secret), "***")
    text = f"database {shown(url)}: {text}"
    if isinstance(error, PoolTimeoutError):
        return StoreUnavailable(f"{text}; all our connections are busy")
    if isinstance(cause, sqlite3.Error):
        name = getattr(cause, "sqlite_errorname", "")
        return (StoreUnavailable if name.startswith(_PASSING) else StoreError)(text)
    if not isinstance(error, DBAPIError):
        return StoreError(text)
    return _of_postgres(error, cause, text)


def _of_postgres(error: DBAPIError, cause: BaseException, text: str) -> StoreError:
    state = sqlstate_of(cause)
    case = _case_of(state, str(cause))
    if case is not None:
        return (StoreUnavailable if case.passing else StoreError)(f"{text}; {case.advice}")
    unreached = not state and isinstance(error, OperationalError | InterfaceError)
    passing = error.connection_invalidated or unreached or state.startswith(_PASSING_CLASSES)
    return (StoreUnavailable if passing else StoreError)(text)


def _case_of(state: str, says: str) -> _Case | None:
    if state:
        return next((case for case in _CASES if case.state and state.startswith(case.state)), None)
    # What the server says is in its own language; said in another, it counts as passing, without advice.
    return next((case for case in _CASES if re.search(case.says, says)), None)
