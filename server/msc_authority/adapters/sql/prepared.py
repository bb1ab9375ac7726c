"""Statements of a commit, compiled once: between a decision and its being durable, nothing is found out anew."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Protocol, cast

from sqlalchemy import Connection, Delete, Dialect, Insert, Select, Update

_Process = Callable[[object], object]
_Statement = Select[*tuple[object, ...]] | Insert | Update | Delete
_REMEMBERED = 8
_NOTHING: Mapping[str, object] = MappingProxyType({})


class Done(Protocol):
    """What a driver says about a statement that it has run, or SQLAlchemy for it."""

    @property
    def rowcount(self) -> int:
        """How many rows were written."""
        ...

    def fetchall(self) -> Sequence[Sequence[object]]:
        """The rows that were read, as the driver has them."""
        ...


class Prepared:
    """A statement that is compiled once for a database, and then goes to the driver with its values as it is.

    `Connection.execute` takes several times as long as SQLite to find out that it has compiled the statement before.
    """

    def __init__(self, statement: _Statement, *columns: str) -> None:
        """`columns` are those that a statement writes which does not name them itself."""
        self._statement, self._columns = statement, columns
        self._ready_for = lru_cache(maxsize=_REMEMBERED)(self._compiled)

    def run(self, connection: Connection, values: Mapping[str, object] = _NOTHING) -> int:
        """Runs it with what is to be written, and returns how many rows were."""
        return self._ready_for(connection.dialect).run(connection, values).rowcount

    def rows(self, connection: Connection) -> list[tuple[object, ...]]:
        """Runs it, and returns what it reads, in the order of its columns."""
        return self._ready_for(connection.dialect).rows(connection)

    def _compiled(self, dialect: Dialect) -> _Compiled:
        return _Compiled(self._statement, self._columns, dialect)


class _Compiled:
    def __init__(self, statement: _Statement, columns: Sequence[str], dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=columns or None)
        self._text = str(compiled)
        self._positional = dialect.positional
        # Those of a LIMIT, for one.
        self._constants = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        order = compiled.positiontup if dialect.positional else tuple(compiled.params)
        kinds = ((name, compiled.binds[name].type) for name in order or ())
        self._binds = tuple((name, kind.dialect_impl(dialect).bind_processor(dialect)) for name, kind in kinds)
        read = statement.selected_columns if isinstance(statement, Select) else ()
        self._results = tuple(column.type.dialect_impl(dialect).result_processor(dialect, None) for column in read)

    def run(self, connection: Connection, values: Mapping[str, object]) -> Done:
        ready = [values[name] if bind is None else bind(values[name]) for name, bind in self._binds]
        if self._positional:
            return hand_over(connection, self._text, tuple(ready))
        return hand_over(
            connection, self._text, {name: value for (name, _), value in zip(self._binds, ready, strict=True)}
        )

    def rows(self, connection: Connection) -> list[tuple[object, ...]]:
        found = self.run(connection, self._constants).fetchall()
        return [
            tuple(value if read is None else read(value) for read, value in zip(self._results, row, strict=True))
            for row in found
        ]


def hand_over(connection: Connection, text: str, values: tuple[object, ...] | dict[str, object]) -> Done:
    """Has the driver run a statement.

    Raises:
        sqlite3.Error: SQLite could not. `Database` makes of it what it makes of SQLAlchemy's errors.
        DBAPIError: PostgreSQL could not. Between us and its driver, SQLAlchemy notes which connections are lost.
    """
    if connection.dialect.name != "sqlite":
        return connection.exec_driver_sql(text, values)
    driver = cast("sqlite3.Connection", connection.connection.driver_connection)
    return driver.execute(text, values)
