"""From when on the journal is whole."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from msc_authority.adapters.sql.tables import msc_journal_floor, msc_retention
from msc_authority.ports.journal import JournalCursor, LedgerCheckpoint
from msc_authority.ports.upkeep import Kept

# Made once: see `policies`.
_FLOOR = select(msc_journal_floor)
_FLOOR_AT = select(msc_journal_floor.c.watermark)


def floor_in(connection: Connection) -> LedgerCheckpoint | None:
    """The ledger with all evidence in it that may be gone; None: all of it is there."""
    row = connection.execute(_FLOOR).one_or_none()
    if row is None:
        return None
    cursor = JournalCursor(trades=row.trades_cursor, equity=row.equity_cursor)
    return LedgerCheckpoint(watermark=row.watermark, cursor=cursor, payload=row.ledger)


def floor_at(connection: Connection) -> datetime | None:
    """The instant up to which evidence may be gone; None: all of it is there."""
    at: datetime | None = connection.scalar(_FLOOR_AT)
    return at


def pruned_up_to(connection: Connection, kind: Kept) -> datetime | None:
    """The instant up to which rows of the kind may be gone; None: all of them are there."""
    columns = msc_retention.c
    at: datetime | None = connection.scalar(select(columns.complete_after).where(columns.kind == kind))
    return at
