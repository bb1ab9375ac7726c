"""The lineage of a database: its epochs, and what begins anew with each."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, insert, update

from msc_authority.adapters.audit_lines import epoch_line
from msc_authority.adapters.sql.audit import write_audit
from msc_authority.adapters.sql.policies import current_epoch
from msc_authority.adapters.sql.tables import msc_meta, msc_state


def allocate_epoch(connection: Connection, now: datetime, *, above: int, actor: str, reason: str) -> int:
    """Allocates an epoch greater than `above`, with its audit line, and returns it."""
    # Seconds since 1970: a database made after another one was lost is greater than that one was, too.
    epoch = max(above + 1, int(now.timestamp()))
    connection.execute(insert(msc_meta), {"epoch": epoch, "allocated_at": now, "reason": reason})
    write_audit(connection, now, epoch_line(epoch, actor=actor, reason=reason))
    return epoch


def start_lineage(connection: Connection, now: datetime, *, above: int = 0, actor: str, reason: str) -> int:
    """Starts a lineage greater than `above` and any of this database. It has no policy before the next commit."""
    epoch = allocate_epoch(connection, now, above=max(above, current_epoch(connection)), actor=actor, reason=reason)
    # An evaluation that started before belongs to the old lineage: its commit finds the generation moved.
    connection.execute(update(msc_state).values(generation=msc_state.c.generation + 1, evaluated_at=None))
    return epoch
