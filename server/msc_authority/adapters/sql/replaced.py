"""What a database was before a restore filled it anew: read behind its locks, before anything of it goes."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, inspect, select

from msc_authority.adapters.sql.audit import last_anchor, rows_in
from msc_authority.adapters.sql.backup import PASSING
from msc_authority.adapters.sql.tables import metadata, msc_audit, msc_lease, msc_meta, msc_state, msc_tokens
from msc_authority.adapters.sql.tokens import tokens_in
from msc_authority.core.audit_chain import Anchor, AuditRow, verify
from msc_authority.ports.tokens import StoredToken


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacedLog:
    """Its audit log: how many rows, and the newest (None: there is none, or this schema had no chain).

    `behind` are those written since the backup; None: it does not go on from the backup's, or is broken there.
    """

    rows: int = 0
    anchor: Anchor | None = None
    behind: tuple[AuditRow, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """What must not be repeated (epoch, generation, term), and what persons said. `rows` 0: there was nothing."""

    rows: int = 0
    epoch: int = 0
    generation: int = 0
    term: int = 0
    controller: bytes | None = None
    tokens: tuple[StoredToken, ...] = ()
    log: ReplacedLog = ReplacedLog()


def read_replaced(connection: Connection, newest_in_backup: Anchor | None) -> Replaced:
    """Reads what is there, whatever its schema, and keeps others from adding to it."""
    inspector = inspect(connection)
    there = set(inspector.get_table_names()) & set(metadata.tables)
    if connection.dialect.name == "postgresql":
        _lock(connection, there)
    ours = [metadata.tables[name] for name in sorted(there - PASSING)]
    greatest = {"epoch": msc_meta.c.epoch, "generation": msc_state.c.generation, "term": msc_lease.c.term}
    known = {
        name: connection.scalar(select(func.max(each))) or 0
        for name, each in greatest.items()
        if each.table.name in there
    }
    is_chained = msc_audit.name in there and "hash" in {each["name"] for each in inspector.get_columns(msc_audit.name)}
    return Replaced(
        rows=sum(connection.scalar(select(func.count()).select_from(each)) or 0 for each in ours),
        controller=connection.scalar(select(msc_state.c.controller)) if msc_state.name in there else None,
        tokens=tuple(tokens_in(connection)) if msc_tokens.name in there else (),
        log=_log_of(connection, newest_in_backup) if is_chained else ReplacedLog(),
        **known,
    )


def _lock(connection: Connection, there: set[str]) -> None:
    # A halt that is committed between being looked for and being dropped would be lost. In the order of writers.
    for each in (msc_lease, msc_state, msc_tokens, msc_audit):
        if each.name in there:
            connection.exec_driver_sql(f"LOCK TABLE {each.name} IN ACCESS EXCLUSIVE MODE")


def _log_of(connection: Connection, newest_in_backup: Anchor | None) -> ReplacedLog:
    return ReplacedLog(
        rows=connection.scalar(select(func.count()).select_from(msc_audit)) or 0,
        anchor=last_anchor(connection),
        behind=_behind(connection, newest_in_backup),
    )


def _behind(connection: Connection, newest: Anchor | None) -> tuple[AuditRow, ...] | None:
    if newest is None:
        return None
    link = connection.scalar(select(msc_audit.c.hash).where(msc_audit.c.sequence == newest.sequence))
    if link != newest.hash:
        return None
    rows = tuple(rows_in(connection, newest.sequence))
    return None if verify(rows, after=newest).broken else rows
