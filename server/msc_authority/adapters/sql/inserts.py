"""Many rows in one go, past those that are there already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from itertools import chain
from typing import cast

from sqlalchemy import Column, Connection, Dialect, Table, insert, select, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite.base import SQLiteDialect

from msc_authority.adapters.sql.types import Exact, Named, UtcTime

_ROWS_OF_A_STATEMENT = 500
"""Of any table, they have fewer values than SQLite takes (32,766)."""
_Bind = Callable[[object], object]


def insert_new(connection: Connection, table: Table, names: Sequence[str], rows: Iterable[tuple[object, ...]]) -> None:
    """Inserts the rows (values in the order of `names`) whose unique key is not taken, and passes over the others.

    Texts, numbers, truth values and instants only.
    """
    columns = _columns(connection.dialect, table, names, rows)
    if connection.dialect.name == "sqlite":
        _insert_into_sqlite(connection, _statement(table, tuple(names), "sqlite", passing_over=True), columns)
    else:
        # A statement for all: to hand over each row would take twice as long, and the interpreter with it.
        arrays = tuple(map(_array_text, columns))
        connection.exec_driver_sql(_statement_of_arrays(table, tuple(names)), arrays)


def insert_all(connection: Connection, table: Table, names: Sequence[str], rows: Iterable[tuple[object, ...]]) -> None:
    """Inserts the rows (values in the order of `names`). Fails where a unique key is taken."""
    columns = _columns(connection.dialect, table, names, rows)
    statement = _statement(table, tuple(names), connection.dialect.name, passing_over=False)
    connection.exec_driver_sql(statement, [*zip(*columns, strict=True)])


def _columns(
    dialect: Dialect, table: Table, names: Sequence[str], rows: Iterable[tuple[object, ...]]
) -> list[Sequence[object]]:
    # A batch goes to the driver column by column through the types' own processors: `Connection.execute` builds a dict
    # a row and takes half as long again.
    columns = zip(names, zip(*rows, strict=True), strict=True)
    return [_bound(table.c[name], dialect, values) for name, values in columns]


def _insert_into_sqlite(connection: Connection, statement: str, columns: Sequence[Sequence[object]]) -> None:
    left = [*zip(*columns, strict=True)]
    while len(left) >= _ROWS_OF_A_STATEMENT:
        many, left = left[:_ROWS_OF_A_STATEMENT], left[_ROWS_OF_A_STATEMENT:]
        connection.exec_driver_sql(_of_many_rows(statement, len(columns)), (*chain.from_iterable(many),))
    if left:
        connection.exec_driver_sql(statement, left)


@cache
def _of_many_rows(statement: str, columns: int) -> str:
    # SQLite is quicker with many rows of one statement, and does without the interpreter meanwhile.
    row = f"({', '.join('?' * columns)})"
    return statement.replace(row, ", ".join([row] * _ROWS_OF_A_STATEMENT), 1)


def _array_text(values: Iterable[object]) -> str:
    # As PostgreSQL reads an array of any kind: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
    return f"{{{','.join(['NULL' if value is None else _quoted(str(value)) for value in values])}}}"


def _quoted(text: str) -> str:
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


@cache
def _statement_of_arrays(table: Table, names: Sequence[str]) -> str:
    from sqlalchemy.dialects import postgresql

    dialect = _dialect("postgresql")
    kinds = [postgresql.ARRAY(table.c[name].type).compile(dialect) for name in names]
    rows = select(text(f"* FROM unnest({', '.join(f'%s::{kind}' for kind in kinds)})"))
    statement = postgresql.insert(table).from_select(list(names), rows).on_conflict_do_nothing().inline()
    return str(statement.compile(dialect=dialect)).replace("%%s", "%s")


@cache
def _statement(table: Table, names: Sequence[str], kind: str, *, passing_over: bool) -> str:
    statement = sqlite.insert(table).on_conflict_do_nothing() if passing_over else insert(table)
    # Inline: nobody asks for the numbers the rows were given.
    return str(statement.inline().compile(dialect=_dialect(kind), column_keys=list(names)))


def _dialect(kind: str) -> Dialect:
    # Values by their place in the row, not by name.
    make: Callable[..., Dialect] = SQLiteDialect
    if kind != "sqlite":
        # Loaded where it is spoken: it takes 2 MiB, for which an authority on SQLite has no use.
        from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

        make = PGDialect_psycopg
    return make(paramstyle="qmark" if kind == "sqlite" else "format")


def _bound(column: Column[object], dialect: Dialect, values: Sequence[object]) -> Sequence[object]:
    # A call a value would cost more than what is done to it.
    if isinstance(column.type, UtcTime):
        return column.type.bind_column(cast("Sequence[datetime | None]", values), dialect)
    if isinstance(column.type, Exact):
        return column.type.bind_column(cast("Sequence[Decimal | None]", values), dialect)
    if isinstance(column.type, Named):
        return column.type.bind_column(cast("Sequence[Enum | None]", values))
    process: _Bind | None = column.type.dialect_impl(dialect).bind_processor(dialect)
    return values if process is None else [*map(process, values)]
