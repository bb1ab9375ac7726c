"""Driver errors as the store's own."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from msc_authority.ports import StoreError, StoreUnavailable

# Results of SQLite that say "not now" rather than "never": https://www.sqlite.org/rescode.html
_PASSING = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR", "SQLITE_FULL", "SQLITE_CANTOPEN", "SQLITE_PROTOCOL")


@contextmanager
def store_errors(url: URL) -> Iterator[None]:
    """Turns what the driver raises inside into StoreUnavailable or StoreError, with the driver's error as cause."""
    try:
        yield
    except SQLAlchemyError as error:
        cause = error.orig if isinstance(error, StatementError) and error.orig is not None else error
        raise _kind_of(error)(_message(url, cause)) from cause


def _kind_of(error: SQLAlchemyError) -> type[StoreError]:
    if isinstance(error, PoolTimeoutError):
        return StoreUnavailable
    if not isinstance(error, DBAPIError):
        return StoreError
    if isinstance(error.orig, sqlite3.Error):
        name = getattr(error.orig, "sqlite_errorname", "")
        return StoreUnavailable if name.startswith(_PASSING) else StoreError
    passing = error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    return StoreUnavailable if passing else StoreError


def _message(url: URL, cause: BaseException) -> str:
    text = " ".join(str(cause).split())
    if url.password:
        text = text.replace(str(url.password), "***")
    return f"database {url.render_as_string(hide_password=True)}: {text}"
