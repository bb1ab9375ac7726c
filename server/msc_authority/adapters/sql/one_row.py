"""One row, by a statement that is compiled once: what a commit writes, between its beginning and its being durable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

from sqlalchemy import Connection, Dialect, Table

_Bind = Callable[[object], object]
_REMEMBERED = 64


def insert_one(connection: Connection, table: Table, row: Mapping[str, object]) -> None:
    """Inserts a row, by the names of its columns; what is not named is NULL, or numbered by the database.

    The values go to the driver through the types' own processors: `Connection.execute` takes three times as long to
    find out that it has compiled the statement before.
    """
    statement, columns, positional = _prepared(table, frozenset(row), connection.dialect)
    values = [row[name] if bind is None else bind(row[name]) for name, bind in columns]
    if positional:
        connection.exec_driver_sql(statement, tuple(values))
    else:
        connection.exec_driver_sql(statement, {name: value for (name, _), value in zip(columns, values, strict=True)})


@lru_cache(maxsize=_REMEMBERED)
def _prepared(
    table: Table, named: frozenset[str], dialect: Dialect
) -> tuple[str, tuple[tuple[str, _Bind | None], ...], bool]:
    # In the order of the table, as the statement has them.
    columns = [column for column in table.columns if column.name in named]
    # Inline: nobody asks for the number the row was given.
    compiled = table.insert().inline().compile(dialect=dialect, column_keys=[column.name for column in columns])
    binds = ((column.name, column.type.dialect_impl(dialect).bind_processor(dialect)) for column in columns)
    return str(compiled), tuple(binds), dialect.positional
