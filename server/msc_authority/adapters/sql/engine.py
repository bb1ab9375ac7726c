"""One database: its connections, its transactions, and all that differs between SQLite and PostgreSQL."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from msc_authority.adapters.sql.database_file import DatabaseFile
from msc_authority.adapters.sql.errors import TAKEN_BACK, sqlstate_of, store_errors
from msc_authority.adapters.sql.later import Opening
from msc_authority.adapters.sql.postgres import LIMITS, Limits, engine_for, unhurried
from msc_authority.adapters.sql.prepared import hand_over
from msc_authority.ports.store import StoreError, StoreUnavailable

if TYPE_CHECKING:
    from tenacity import RetryCallState

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))

ATTEMPTS = 5
"""How often a transaction that PostgreSQL takes back is done in all."""
BUSY_TIMEOUT_S = 5.0
_TRIES_TO_SWITCH = 20
_LOCK_FAMILY = 0x4D5343  # "MSC": keeps our advisory locks apart from those of others in the same database.


class WriteLock(IntEnum):
    """What a writing transaction keeps other writers from."""

    SCHEMA = 1
    JOURNAL = 2
    EVALUATIONS = 3
    REPLICAS = 4
    TOKENS = 5
    LEASE = 6


class Database:
    """Opens transactions. Driver errors leave it as StoreUnavailable or StoreError."""

    def __init__(self, url: str, busy_timeout_s: float = BUSY_TIMEOUT_S, limits: Limits = LIMITS) -> None:
        self.url = checked_url(url)
        self.repeated = 0
        """How many transactions were done again because PostgreSQL had taken them back."""
        self.lost = 0
        """How many connections broke."""
        self.unavailable = 0
        """How many transactions could not be made because the database was not there, or refused for now."""
        with store_errors(self.url):
            self._engine = _engine_for(self.url, busy_timeout_s, limits)
        event.listen(self._engine, "invalidate", self._note_lost)
        self._file = _watched_file(self.url, self._engine)
        self.is_sqlite = self._engine.dialect.name == "sqlite"
        self._reader = self._writer = self._engine
        if not self.is_sqlite:
            # A reader sees one state of the database from its first query to its last.
            self._reader = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            # A writer looks again behind its lock, whatever the server's default isolation is.
            self._writer = self._engine.execution_options(isolation_level="READ COMMITTED")
        self._opening: Opening | None = None

    def open_later(self, open_: Callable[[], None]) -> None:
        """Has `open_` done before the first transaction, by whoever begins it; until it succeeds, there is none."""
        self._opening = Opening(open_)

    def _ensure_open(self) -> None:
        if self._opening is not None:
            self._opening.ensure()
        self._ensure_same_file()

    def _ensure_same_file(self) -> None:
        if self._file is not None:
            self._file.check()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that reads one consistent state."""
        self._ensure_open()
        with self._counting(), store_errors(self.url), self._reader.begin() as connection:
            if self.is_sqlite:
                hand_over(connection, "BEGIN", ())
            yield connection

    @contextmanager
    def write(self, lock: WriteLock) -> Iterator[Connection]:
        """A transaction that is committed at the end, or rolled back by an exception.

        Writers of one lock follow each other. Without it, two transactions of PostgreSQL could take sequence numbers 1
        and 2 and commit 2 first: a reader would put its cursor behind 2 and never see 1. SQLite has one writer anyway;
        taking its lock at BEGIN IMMEDIATE, not at the first write, makes waiting for it possible.
        """
        self._ensure_open()
        with self._counting(), store_errors(self.url), self._writer.begin() as connection:
            if self.is_sqlite:
                hand_over(connection, "BEGIN IMMEDIATE", ())
                yield connection
                # It may have gone since. What raises here takes back what was written.
                self._ensure_same_file()
                return
            with unhurried(connection) if lock is WriteLock.SCHEMA else nullcontext():
                connection.execute(select(func.pg_advisory_xact_lock(_LOCK_FAMILY, int(lock))))
                yield connection

    @contextmanager
    def _counting(self) -> Iterator[None]:
        try:
            yield
        except StoreUnavailable as error:
            self.unavailable += not _taken_back(error)
            raise

    def _note_lost(self, *_: object) -> None:
        self.lost += 1

    def transact(self, lock: WriteLock, work: Callable[[Connection], _T]) -> _T:
        """What `work` returns in a writing transaction. It must do nothing but read and write by its connection: when
        PostgreSQL takes the transaction back for another's sake, it is done again, a few times.
        """
        if self.is_sqlite:
            return self._once(lock, work)
        # Loaded here: programs that only ask an authority need not wait for it.
        from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

        attempts = Retrying(
            retry=retry_if_exception(_taken_back),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.01, max=0.2),
            before_sleep=self._again,
            reraise=True,
        )
        result: _T = attempts(self._once, lock, work)
        return result

    def _once(self, lock: WriteLock, work: Callable[[Connection], _T]) -> _T:
        with self.write(lock) as connection:
            return work(connection)

    def _again(self, state: RetryCallState) -> None:
        self.repeated += 1
        error = state.outcome.exception() if state.outcome else None
        _log.info("A transaction was taken back and is done again (attempt %d): %s", state.attempt_number + 1, error)

    def close(self) -> None:
        """Closes the connections; twice is fine."""
        self._engine.dispose()


def _taken_back(error: BaseException) -> bool:
    return isinstance(error, StoreUnavailable) and sqlstate_of(error.__cause__) in TAKEN_BACK


def checked_url(text: str) -> URL:
    """The URL in `text`, of a database that we can work with.

    Raises:
        StoreError: it cannot be read, or names another kind of database.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # The parser's message may quote the URL, and the URL may hold a password.
        raise StoreError(
            "the database URL cannot be read: expected sqlite:///path/to/file.db or postgresql://…, and in a password "
            "%40 for @, %2F for /, %3A for :"
        ) from None
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.username is not None and any("@" in (part or "") for part in (url.host, url.database)):
        # What is behind the first @ is a piece of the password: it must not be shown, nor asked for as a host.
        raise StoreError(
            "the database URL has more than one @ before its query: in a user name or a password, write @ as %40, "
            "/ as %2F, : as %3A"
        )
    if "password" in url.query:
        # libpq takes it there, too; here it would be shown wherever the URL is.
        url = url.set(password=str(url.query["password"])).difference_update_query(["password"])
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise StoreError(f"the database kind {url.get_backend_name()!r} is not known: use sqlite or postgresql")
    return url


def _engine_for(url: URL, busy_timeout_s: float, limits: Limits) -> Engine:
    options = {"hide_parameters": True, "json_serializer": _json_text}
    if url.get_backend_name() == "postgresql":
        return engine_for(url, limits, options)
    _prepare_folder(url)
    engine = create_engine(url, connect_args={"timeout": busy_timeout_s}, **options)
    event.listen(engine, "connect", _set_up_sqlite)
    return engine


def _watched_file(url: URL, engine: Engine) -> DatabaseFile | None:
    if engine.dialect.name != "sqlite" or not url.database:
        return None
    file = DatabaseFile(url.database)
    # Behind `_set_up_sqlite`: the driver makes a new file when it is first used.
    event.listen(engine, "connect", lambda *_: file.note_opened())
    return file


def _json_text(document: object) -> str:
    return _ENCODER.encode(document)


def _prepare_folder(url: URL) -> None:
    if not url.database or url.database == ":memory:":
        raise StoreError("an SQLite URL needs a file, as in sqlite:///path/to/file.db")
    file = Path(url.database)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"the folder {file.parent} cannot be created: {error.strerror}") from error
    if file.is_dir():
        raise StoreError(f"{file} is a folder: the SQLite URL has to name a file")
    if not os.access(file.parent, os.W_OK | os.X_OK):
        raise StoreError(f"the folder {file.parent} cannot be written: SQLite keeps its log beside the database file")


def _set_up_sqlite(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    # The driver's own transaction control begins late and leaves DDL outside; `read` and `write` do it instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    switch_to_wal(cursor)
    for pragma in ("synchronous = FULL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def switch_to_wal(cursor: DBAPICursor) -> None:
    """Has the file of a new database keep a log, whoever else is at it.

    Raises:
        sqlite3.OperationalError: it cannot be switched.
    """
    # Of those who open a new file at the same time one switches it. The others are refused at once, and not made to
    # wait as for any other lock: they wait for its turn to end, and look again.
    for _ in range(_TRIES_TO_SWITCH - 1):
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            cursor.execute("BEGIN IMMEDIATE")
            cursor.execute("COMMIT")
        else:
            return
    cursor.execute("PRAGMA journal_mode = WAL")
