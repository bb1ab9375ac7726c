"""Many rows in one go, past those that are there already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from itertools import chain
from typing import cast

from sqlalchemy import Column, Connection, Dialect, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.base import SQLiteDialect

from msc_authority.adapters.sql.types import Exact, UtcTime

_ROWS_OF_A_STATEMENT = 250
"""Of any table, they have fewer values than SQLite takes (32,766)."""
_Bind = Callable[[object], object]


def insert_new(connection: Connection, table: Table, names: Sequence[str], rows: Iterable[tuple[object, ...]]) -> None:
    """Inserts the rows (values in the order of `names`) whose unique key is not taken, and passes over the others."""
    _insert(connection, table, names, rows, passing_over=True)


def insert_all(connection: Connection, table: Table, names: Sequence[str], rows: Iterable[tuple[object, ...]]) -> None:
    """Inserts the rows (values in the order of `names`). Fails where a unique key is taken."""
    _insert(connection, table, names, rows, passing_over=False)


def _insert(
    connection: Connection,
    table: Table,
    names: Sequence[str],
    rows: Iterable[tuple[object, ...]],
    *,
    passing_over: bool,
) -> None:
    # A batch goes to the driver column by column through the types' own processors: `Connection.execute` builds a dict
    # a row and takes half as long again. The drivers prepare the statement once; psycopg sends all rows without
    # waiting for each.
    dialect = connection.dialect
    columns = zip(names, zip(*rows, strict=True), strict=True)
    ready = [_bound(table.c[name], dialect, values) for name, values in columns]
    statement = _statement(table, tuple(names), dialect.name, passing_over=passing_over)
    left = [*zip(*ready, strict=True)]
    while dialect.name == "sqlite" and len(left) >= _ROWS_OF_A_STATEMENT:
        many, left = left[:_ROWS_OF_A_STATEMENT], left[_ROWS_OF_A_STATEMENT:]
        connection.exec_driver_sql(_of_many_rows(statement, len(names)), (*chain.from_iterable(many),))
    if left:
        connection.exec_driver_sql(statement, left)


@cache
def _of_many_rows(statement: str, columns: int) -> str:
    # SQLite is quicker with many rows of one statement, and does without the interpreter meanwhile.
    row = f"({', '.join('?' * columns)})"
    return statement.replace(row, ", ".join([row] * _ROWS_OF_A_STATEMENT), 1)


@cache
def _statement(table: Table, names: Sequence[str], kind: str, *, passing_over: bool) -> str:
    # Values by their place in the row, not by name.
    make: Callable[..., Dialect] = SQLiteDialect if kind == "sqlite" else PGDialect_psycopg
    insert = sqlite.insert if kind == "sqlite" else postgresql.insert
    style = "qmark" if kind == "sqlite" else "format"
    statement = insert(table).on_conflict_do_nothing() if passing_over else insert(table)
    # Inline: nobody asks for the numbers the rows were given.
    return str(statement.inline().compile(dialect=make(paramstyle=style), column_keys=list(names)))


def _bound(column: Column[object], dialect: Dialect, values: Sequence[object]) -> Sequence[object]:
    # A call a value would cost more than what is done to it.
    if isinstance(column.type, UtcTime):
        return column.type.bind_column(cast("Sequence[datetime | None]", values), dialect)
    if isinstance(column.type, Exact):
        return column.type.bind_column(cast("Sequence[Decimal | None]", values), dialect)
    process: _Bind | None = column.type.dialect_impl(dialect).bind_processor(dialect)
    return values if process is None else [*map(process, values)]
