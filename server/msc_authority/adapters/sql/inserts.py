"""Many rows in one go, past those that are there already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import Column, Connection, Dialect, Table
from sqlalchemy.dialects import sqlite

_Value = object
_Bind = Callable[[_Value], _Value]


def insert_new(connection: Connection, table: Table, names: Sequence[str], rows: Iterable[tuple[object, ...]]) -> None:
    """Inserts the rows (values in the order of `names`) whose unique key is not taken, and passes over the others.

    A batch goes to the driver column by column through the types' own processors: `Connection.execute` builds a dict a
    row and takes half as long again.
    """
    dialect = connection.dialect
    columns = [table.c[name] for name in names]
    values = [
        _bound(column, dialect, column_values)
        for column, column_values in zip(columns, zip(*rows, strict=True), strict=True)
    ]
    if dialect.name == "sqlite":
        statement = sqlite.insert(table).on_conflict_do_nothing().compile(dialect=dialect, column_keys=list(names))
        connection.exec_driver_sql(str(statement), list(zip(*values, strict=True)))
    else:
        connection.exec_driver_sql(_unnesting(table, columns, dialect), tuple(map(list, values)))


def _bound(column: Column[object], dialect: Dialect, values: Sequence[object]) -> Sequence[object]:
    process: _Bind | None = column.type.dialect_impl(dialect).bind_processor(dialect)
    return values if process is None else [*map(process, values)]


def _unnesting(table: Table, columns: Sequence[Column[object]], dialect: Dialect) -> str:
    # One array a column and one statement a batch: a statement a row takes four times as long.
    quoted = dialect.identifier_preparer.quote
    names = ", ".join(quoted(column.name) for column in columns)
    arrays = ", ".join(f"%s::{_array_of(column, dialect)}" for column in columns)
    return f"INSERT INTO {quoted(table.name)} ({names}) SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING"  # noqa: S608 -- names of our own tables


def _array_of(column: Column[object], dialect: Dialect) -> str:
    # A collation belongs to the column, not to what is on its way there.
    return f"{column.type.compile(dialect=dialect).partition(' COLLATE ')[0]}[]"
