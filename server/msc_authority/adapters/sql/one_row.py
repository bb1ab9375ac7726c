"""One row, by a statement that is compiled once: what a commit writes, between its beginning and its being durable."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from sqlalchemy import Connection, Table

from msc_authority.adapters.sql.prepared import Prepared

_REMEMBERED = 64


def insert_one(connection: Connection, table: Table, row: Mapping[str, object]) -> None:
    """Inserts a row, by the names of its columns; what is not named is NULL, or numbered by the database."""
    _insert(table, frozenset(row)).run(connection, row)


@lru_cache(maxsize=_REMEMBERED)
def _insert(table: Table, named: frozenset[str]) -> Prepared:
    # In the order of the table. Inline: nobody asks for the number the row was given.
    return Prepared(table.insert().inline(), *(column.name for column in table.columns if column.name in named))
