"""One database: its connections, its transactions, and all that differs between SQLite and PostgreSQL."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, func, make_url, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from msc_authority.adapters.sql.errors import store_errors
from msc_authority.ports import StoreError

BUSY_TIMEOUT_S = 5.0
_LOCK_FAMILY = 0x4D5343  # "MSC": keeps our advisory locks apart from those of others in the same database.


class WriteLock(IntEnum):
    """What a writing transaction keeps other writers from."""

    SCHEMA = 1
    JOURNAL = 2
    EVALUATIONS = 3


class Database:
    """Opens transactions. Driver errors leave it as StoreUnavailable or StoreError."""

    def __init__(self, url: str, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self.url = _checked_url(url)
        with store_errors(self.url):
            self._engine = _engine_for(self.url, busy_timeout_s)
        self._is_sqlite = self._engine.dialect.name == "sqlite"
        # A reader sees one state of the database from its first query to its last.
        consistent = {} if self._is_sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._reader = self._engine.execution_options(**consistent)
        self._writer = self._engine.execution_options(msc_begin="BEGIN IMMEDIATE")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that reads one consistent state."""
        with store_errors(self.url), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def write(self, lock: WriteLock) -> Iterator[Connection]:
        """A transaction that is committed at the end, or rolled back by an exception.

        Writers of one lock follow each other. Without it, two transactions of PostgreSQL could take sequence numbers 1
        and 2 and commit 2 first: a reader would put its cursor behind 2 and never see 1. SQLite has one writer anyway;
        taking its lock at BEGIN IMMEDIATE, not at the first write, makes waiting for it possible.
        """
        with store_errors(self.url), self._writer.begin() as connection:
            if not self._is_sqlite:
                connection.execute(select(func.pg_advisory_xact_lock(_LOCK_FAMILY, int(lock))))
            yield connection

    def close(self) -> None:
        """Closes the connections; twice is fine."""
        self._engine.dispose()


def insert_new(connection: Connection, table: Table, names: Sequence[str], rows: Iterable[tuple[object, ...]]) -> None:
    """Inserts the rows (values in the order of `names`) whose unique key is not taken, and passes over the others.

    A batch goes to the driver column by column through the types' own processors: `Connection.execute` builds a dict a
    row and takes half as long again.
    """
    dialect = connection.dialect
    insert = sqlite.insert if dialect.name == "sqlite" else postgresql.insert
    statement = insert(table).on_conflict_do_nothing().compile(dialect=dialect, column_keys=list(names))
    processors = [table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in names]
    columns = zip(processors, zip(*rows, strict=True), strict=True)
    ready = zip(*[map(process, column) if process else column for process, column in columns], strict=True)
    named = [dict(zip(names, row, strict=True)) for row in ready] if not dialect.positional else list(ready)
    connection.exec_driver_sql(str(statement), named)


def _checked_url(text: str) -> URL:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # The parser's message may quote the URL, and the URL may hold a password.
        raise StoreError(
            "the database URL cannot be read: expected sqlite:///path/to/file.db or postgresql://…"
        ) from None
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise StoreError(f"the database kind {url.get_backend_name()!r} is not known: use sqlite or postgresql")
    return url


def _engine_for(url: URL, busy_timeout_s: float) -> Engine:
    options = {"hide_parameters": True, "json_serializer": _json_text}
    if url.get_backend_name() == "sqlite":
        _prepare_folder(url)
        engine = create_engine(url, connect_args={"timeout": busy_timeout_s}, **options)
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        return create_engine(url, pool_pre_ping=True, **options)
    except ImportError as error:
        raise StoreError(f"the driver of {url.drivername} is not installed: {error}") from error


def _json_text(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


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
    # The driver's own transaction control begins late and leaves DDL outside; `_begin_sqlite` does it instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(str(connection.get_execution_options().get("msc_begin", "BEGIN")))
