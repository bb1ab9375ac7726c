"""Who did what to the store: written in the transaction that did it, chained, never changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import Connection, RowMapping, Select, insert, select

from msc_authority.adapters.instants import aware_utc
from msc_authority.adapters.sql.engine import Database, WriteLock
from msc_authority.adapters.sql.one_row import insert_one
from msc_authority.adapters.sql.prepared import Prepared
from msc_authority.adapters.sql.tables import msc_audit
from msc_authority.core.audit_chain import Anchor, AuditRow, chained
from msc_authority.ports.audit import AuditLine

__all__ = ["AuditLine", "SqlAuditLog", "append_rows", "last_anchor", "write_audit"]

_ROWS_AT_ONCE = 1000
_columns = msc_audit.c
_NEWEST_FIRST = select(msc_audit).order_by(_columns.sequence.desc())
_ADD = insert(msc_audit)
_NEWEST_LINK = select(_columns.sequence, _columns.hash).order_by(_columns.sequence.desc()).limit(1)
_LAST_LINK = Prepared(_NEWEST_LINK)


def write_audit(connection: Connection, at: datetime, line: AuditLine) -> AuditRow:
    """Adds the line to the transaction, as the next row of the chain, and returns it.

    Whatever else the transaction locks, it has to lock before: writers of the log follow each other.
    """
    if connection.dialect.name == "postgresql":
        # Readers go on; whoever else writes here waits, and then sees this row. SQLite has one writer anyway.
        connection.exec_driver_sql("LOCK TABLE msc_audit IN SHARE ROW EXCLUSIVE MODE")
    row = chained(
        last_anchor(connection),
        at=aware_utc(at),
        actor=line.actor,
        action=line.action,
        target=line.target,
        detail=line.detail,
    )
    insert_one(connection, msc_audit, columns_of(row))
    return row


def append_rows(connection: Connection, rows: Sequence[AuditRow]) -> None:
    """Adds rows as they are; the database takes them only if they go on from the newest."""
    connection.execute(_ADD, [columns_of(row) for row in rows])


def last_anchor(connection: Connection) -> Anchor | None:
    """The newest row's number and hash, or None."""
    rows = cast("list[tuple[int, str]]", _LAST_LINK.rows(connection))
    return Anchor(*rows[0]) if rows else None


def rows_in(connection: Connection, after: int | None = None) -> Iterator[AuditRow]:
    """The rows behind `after` (None: all) in their order, as the transaction sees them."""
    while page := connection.execute(_page_after(after)).mappings().all():
        yield from map(_row_from, page)
        after = page[-1]["sequence"]


def _page_after(sequence: int | None) -> Select[*tuple[object, ...]]:
    in_order = select(msc_audit).order_by(_columns.sequence).limit(_ROWS_AT_ONCE)
    return in_order if sequence is None else in_order.where(_columns.sequence > sequence)


class SqlAuditLog:
    """Reads the log, and adds to it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, at: datetime, line: AuditLine) -> AuditRow:
        """Adds a line that nothing else is written with, and returns it as the next row of the chain."""

        def append(connection: Connection) -> AuditRow:
            return write_audit(connection, at, line)

        return self._database.transact(WriteLock.EVALUATIONS, append)

    def page(self, before: int | None, limit: int) -> list[AuditRow]:
        """Returns up to `limit` rows with sequence < `before` (None: from the newest), newest first."""
        wanted = _NEWEST_FIRST if before is None else _NEWEST_FIRST.where(_columns.sequence < before)
        with self._database.read() as connection:
            return [_row_from(row) for row in connection.execute(wanted.limit(limit)).mappings()]

    def rows_after(self, sequence: int | None) -> Iterator[AuditRow]:
        """Yields the rows behind `sequence` (None: all) in their order, to those written meanwhile."""
        while True:
            # A read of its own for each page: nothing stays open behind whoever stops reading, or reads slowly.
            with self._database.read() as connection:
                page = [_row_from(row) for row in connection.execute(_page_after(sequence)).mappings()]
            if not page:
                return
            yield from page
            sequence = page[-1].sequence

    def last_before(self, at: datetime) -> Anchor | None:
        """Returns the row before the first one written at `at` or later; None: that is the very first."""
        first = select(_columns.sequence).where(_columns.at >= aware_utc(at)).order_by(_columns.sequence).limit(1)
        with self._database.read() as connection:
            sequence = connection.scalar(first)
            before = _NEWEST_LINK if sequence is None else _NEWEST_LINK.where(_columns.sequence < sequence)
            link = connection.execute(before).one_or_none()
        return None if link is None else Anchor(link.sequence, link.hash)

    def newest_of(self, action: str) -> AuditRow | None:
        """Returns the newest row of an action, or None."""
        with self._database.read() as connection:
            row = connection.execute(_NEWEST_FIRST.where(_columns.action == action).limit(1)).mappings().one_or_none()
        return None if row is None else _row_from(row)


def columns_of(row: AuditRow) -> dict[str, object]:
    """The row by the names of its columns."""
    return {
        "sequence": row.sequence,
        "at": row.at,
        "actor": row.actor,
        "action": row.action,
        "object": row.target,
        "detail": row.detail,
        "previous_hash": row.previous_hash,
        "hash": row.hash,
    }


def _row_from(row: RowMapping) -> AuditRow:
    columns = dict(row)
    return AuditRow(target=columns.pop("object"), **columns)
