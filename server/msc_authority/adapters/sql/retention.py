"""Lets go of what is old, on SQL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial

from sqlalchemy import Column, ColumnElement, Connection, Select, Table, and_, delete, func, insert, select

from msc_authority.adapters.audit_lines import floor_line, prune_line
from msc_authority.adapters.instants import aware_utc, text_of
from msc_authority.adapters.sql.audit import write_audit
from msc_authority.adapters.sql.engine import Database, WriteLock
from msc_authority.adapters.sql.horizons import floor_at, pruned_up_to
from msc_authority.adapters.sql.rows import EQUITY, TRADES
from msc_authority.adapters.sql.tables import (
    equity_points,
    execution_journal,
    msc_evaluations,
    msc_journal_floor,
    msc_ledger_checkpoints,
    msc_policies,
    msc_retention,
    msc_state,
    msc_strategy_transitions,
    trade_logs,
)
from msc_authority.ports.journal import LedgerCheckpoint
from msc_authority.ports.store import StaleState
from msc_authority.ports.upkeep import Kept, PruneOrder

_EVIDENCE = (Kept.TRADES, Kept.EQUITY)
_WHERE: Mapping[Kept, tuple[Table, Column[datetime]]] = {
    Kept.EXECUTIONS: (execution_journal, execution_journal.c.at),
    Kept.TRADES: (trade_logs, trade_logs.c.closed_at),
    Kept.EQUITY: (equity_points, equity_points.c.at),
    Kept.EVALUATIONS: (msc_evaluations, msc_evaluations.c.started_at),
}


class SqlRetention:
    """Lets go of what is old."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def earliest_base(self) -> datetime | None:
        """Returns the earliest watermark that an evaluation may fold on from, or None: nothing was evaluated yet."""
        with self._database.read() as connection:
            return _earliest_base(connection)

    def pruned_up_to(self, kind: Kept) -> datetime | None:
        """Returns the instant up to which rows may be gone already; None: all are there."""
        with self._database.read() as connection:
            return pruned_up_to(connection, kind)

    def count(self, kind: Kept, upto: datetime) -> int:
        """Returns how many rows no later than `upto` could go."""
        with self._database.read() as connection:
            table, _ = _WHERE[kind]
            return connection.scalar(select(func.count()).select_from(table).where(_may_go(kind, upto))) or 0

    def raise_floor(self, floor: LedgerCheckpoint, now: datetime, actor: str) -> None:
        """Makes `floor` the floor of the journal, so that evidence no later than its watermark may go.

        Raises:
            StaleState: something of that time arrived in between, or an evaluation may have to fold on from before it.
        """
        self._database.transact(WriteLock.JOURNAL, partial(_raise_floor, floor, now, actor))

    def allow(self, order: PruneOrder, now: datetime, actor: str) -> None:
        """Writes down that these rows may be gone from now on, with an audit line.

        Raises:
            StaleState: they are evidence later than the floor.
        """
        self._database.transact(WriteLock.JOURNAL, partial(_allow, order, now, actor))

    def prune(self, kind: Kept, limit: int) -> int:
        """Removes up to `limit` of the rows that may go, and returns how many went."""
        # Evaluations have writers of their own, with whom a batch takes turns.
        lock = WriteLock.EVALUATIONS if kind is Kept.EVALUATIONS else WriteLock.JOURNAL
        return self._database.transact(lock, partial(_prune, kind, limit))


def _earliest_base(connection: Connection) -> datetime | None:
    newest: datetime | None = connection.scalar(select(msc_state.c.watermark))
    oldest: datetime | None = connection.scalar(select(func.min(msc_ledger_checkpoints.c.watermark)))
    return min((at for at in (newest, oldest) if at is not None), default=None)


def _raise_floor(floor: LedgerCheckpoint, now: datetime, actor: str, connection: Connection) -> None:
    upto = aware_utc(floor.watermark)
    before, base = floor_at(connection), _earliest_base(connection)
    if base is None or base < upto:
        raise StaleState(f"an evaluation may have to fold on from before {text_of(upto)}: nothing was changed")
    if before is not None and before > upto:
        raise StaleState(f"the journal's floor is at {text_of(before)} already: it never comes down")
    late = _arrived_behind(connection, floor)
    if late is not None and late <= upto:
        raise StaleState(f"evidence of {text_of(late)} arrived meanwhile: start again")
    connection.execute(delete(msc_journal_floor))
    row = {
        "id": 1,
        "watermark": upto,
        "trades_cursor": floor.cursor.trades,
        "equity_cursor": floor.cursor.equity,
        "ledger": floor.payload,
    }
    connection.execute(insert(msc_journal_floor), row)
    write_audit(connection, now, floor_line(floor, before, actor))


def _arrived_behind(connection: Connection, floor: LedgerCheckpoint) -> datetime | None:
    earliest = [
        connection.scalar(select(func.min(kind.at)).where(kind.sequence > cursor))
        for kind, cursor in ((TRADES, floor.cursor.trades), (EQUITY, floor.cursor.equity))
    ]
    return min((at for at in earliest if at is not None), default=None)


def _allow(order: PruneOrder, now: datetime, actor: str, connection: Connection) -> None:
    upto = aware_utc(order.upto)
    if order.kind in _EVIDENCE:
        floor = floor_at(connection)
        if floor is None or floor < upto:
            raise StaleState(f"evidence later than the journal's floor cannot go: that is {floor}")
    before = pruned_up_to(connection, order.kind)
    if before is not None and before >= upto:
        return
    connection.execute(delete(msc_retention).where(msc_retention.c.kind == order.kind))
    connection.execute(insert(msc_retention), {"kind": order.kind, "complete_after": upto})
    write_audit(connection, now, prune_line(order, before, actor))


def _prune(kind: Kept, limit: int, connection: Connection) -> int:
    upto = pruned_up_to(connection, kind)
    if upto is None:
        return 0
    table, at = _WHERE[kind]
    oldest = select(table.c.sequence).where(_may_go(kind, upto)).order_by(at).limit(limit)
    return connection.execute(delete(table).where(table.c.sequence.in_(oldest))).rowcount


def _may_go(kind: Kept, upto: datetime) -> ColumnElement[bool]:
    _, at = _WHERE[kind]
    old = at <= aware_utc(upto)
    if kind is not Kept.EVALUATIONS:
        return old
    columns = msc_evaluations.c
    newest_good = select(func.max(columns.sequence)).where(columns.failure == "").scalar_subquery()
    return and_(
        old,
        columns.sequence < newest_good,
        columns.evaluation_id.not_in(_named_in(msc_policies.c.evaluation_id)),
        columns.evaluation_id.not_in(_named_in(msc_strategy_transitions.c.evaluation_id)),
    )


def _named_in(column: Column[str]) -> Select[str]:
    # NOT IN a list with a NULL in it holds for nobody.
    return select(column).where(column.is_not(None))
