"""The journal on SQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    CursorResult,
    Integer,
    Row,
    Select,
    Text,
    bindparam,
    cast,
    extract,
    func,
    select,
    type_coerce,
    union_all,
)

from msc_authority.adapters.evidence_order import merged
from msc_authority.adapters.fact_keys import id_conflict, too_old
from msc_authority.adapters.instants import aware_utc, microseconds_from
from msc_authority.adapters.sql.engine import Database, WriteLock
from msc_authority.adapters.sql.horizons import floor_at, floor_in, pruned_up_to
from msc_authority.adapters.sql.rows import EQUITY, EXECUTIONS, TRADES, F, FactTable
from msc_authority.adapters.sql.tables import equity_points, trade_logs
from msc_authority.core.evidence import EquityEvidence, Evidence, TradeColumns, TradeEvidence
from msc_authority.core.facts import EquityPoint, Execution, Fact, Trade, TradeSource, happened_at
from msc_authority.ports.journal import JournalCursor, LedgerCheckpoint, RecordOutcome, RefusedFact
from msc_authority.ports.upkeep import Kept

_ROWS_AT_ONCE = 2000
# Of columns, few enough to stay in the processor's cache until they are numbers: twenty times as many
# take twice as long.
_ROWS_OF_COLUMNS = 500
_STREAMED = {"yield_per": _ROWS_OF_COLUMNS}

_trades = trade_logs.c
_equity = equity_points.c
# Made once: see `policies`. One statement asks for what belongs together, since each costs more than its answer.
_TRADE_EVIDENCE = (
    select(
        _trades.closed_at,
        _trades.trade_id,
        _trades.strategy_id,
        _trades.net_pnl,
        _trades.risk_at_entry,
        _trades.source == TradeSource.LIVE,
    )
    .where(_trades.sequence <= bindparam("upto_trades"))
    .order_by(_trades.closed_at, _trades.trade_id)
)
_EQUITY_EVIDENCE = (
    select(_equity.at, _equity.account, _equity.wallet_balance, _equity.unrealized_pnl, _equity.net_flow)
    .where(_equity.sequence <= bindparam("upto_equity"))
    .order_by(_equity.at, _equity.account)
)
_ALL = (_TRADE_EVIDENCE, _EQUITY_EVIDENCE)
_LATER = (
    _TRADE_EVIDENCE.where(_trades.closed_at > bindparam("after")),
    _EQUITY_EVIDENCE.where(_equity.at > bindparam("after")),
)
# Of trades in columns, each as the driver has it: amounts as text, instants as text (SQLite) or microseconds.
_IN_COLUMNS = {
    dialect: select(
        at,
        _trades.strategy_id,
        *(conversion(amount, Text) for amount in (_trades.net_pnl, _trades.risk_at_entry)),
        type_coerce(_trades.source == TradeSource.LIVE, live),
    )
    .where(
        _trades.sequence <= bindparam("upto_trades"),
        _trades.closed_at <= bindparam("until"),
        _trades.closed_at > bindparam("after"),
    )
    .order_by(_trades.closed_at, _trades.trade_id)
    for dialect, at, conversion, live in (
        ("sqlite", type_coerce(_trades.closed_at, Text), type_coerce, Integer),
        ("postgresql", cast(extract("epoch", _trades.closed_at) * 1_000_000, BigInteger), cast, Boolean),
    )
}
_READINGS = _EQUITY_EVIDENCE.where(_equity.at <= bindparam("until"), _equity.at > bindparam("after"))
_BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)
_END = select(*(select(func.max(column)).scalar_subquery() for column in (_trades.sequence, _equity.sequence)))
_EARLIEST = union_all(
    TRADES.earliest_between(bindparam("after_trades"), bindparam("upto_trades")),
    EQUITY.earliest_between(bindparam("after_equity"), bindparam("upto_equity")),
)
_NEWEST = select(*(select(func.max(table.at)).scalar_subquery() for table in (EXECUTIONS, TRADES, EQUITY)))


class SqlJournal:
    """Holds the facts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, facts: Sequence[Fact]) -> RecordOutcome:
        """Stores a batch durably in one transaction. A fact stored before with equal content is a duplicate; the
        same id with other content is refused with code ID_CONFLICT. The rest of the batch is stored all the same.
        """
        if not facts:
            return RecordOutcome(accepted=0, duplicates=0)
        by_kind = _by_kind(facts)
        outcomes = self._database.transact(WriteLock.JOURNAL, partial(_store_all, by_kind))
        accepted = sum(count for count, _ in outcomes)
        refused = sorted((refusal for _, some in outcomes for refusal in some), key=lambda refusal: refusal.index)
        return RecordOutcome(accepted=accepted, duplicates=len(facts) - accepted - len(refused), refused=tuple(refused))

    def end(self) -> JournalCursor:
        """Returns the cursor behind all evidence that has arrived so far, in one consistent read."""
        with self._database.read() as connection:
            trades, equity = connection.execute(_END).one()
        return JournalCursor(trades=trades or 0, equity=equity or 0)

    def earliest_between(self, after: JournalCursor, upto: JournalCursor) -> datetime | None:
        """Returns the smallest `at` of the evidence that arrived later than `after` and no later than `upto`."""
        between = {
            "after_trades": after.trades,
            "upto_trades": upto.trades,
            "after_equity": after.equity,
            "upto_equity": upto.equity,
        }
        with self._database.read() as connection:
            earliest = connection.execute(_EARLIEST, between).scalars().all()
        return min((at for at in earliest if at is not None), default=None)

    def evidence_after(self, after: datetime | None, upto: JournalCursor) -> Iterator[Evidence]:
        """Yields evidence with at > `after` (None: all) that arrived no later than `upto`, ordered by (at, id),
        equity readings after trades of the same instant.
        """
        wanted = {"upto_trades": upto.trades, "upto_equity": upto.equity}
        with self._database.read() as connection:
            if after is None:
                yield from _stream(connection, *_ALL, wanted)
            else:
                yield from _stream(connection, *_LATER, {**wanted, "after": aware_utc(after)})

    def evidence_in_bulk(
        self, after: datetime | None, upto: JournalCursor, until: datetime
    ) -> Iterator[EquityEvidence | TradeColumns]:
        """Yields the same evidence, of it that with at <= `until`, for whoever takes very much of it: first equity
        readings ordered by (at, account), then trades ordered by (at, id), some hundreds at a time.
        """
        between = {"after": _BEFORE_ALL if after is None else aware_utc(after), "until": aware_utc(until)}
        with self._database.read() as connection:
            with connection.execute(
                _READINGS, {**between, "upto_equity": upto.equity}, execution_options=_STREAMED
            ) as readings:
                yield from map(EquityEvidence._make, readings)
            trades, streamed = _IN_COLUMNS[connection.dialect.name], None if self._database.is_sqlite else _STREAMED
            with connection.execute(
                trades, {**between, "upto_trades": upto.trades}, execution_options=streamed
            ) as found:
                yield from map(_columns, _batches(found, is_sqlite=self._database.is_sqlite))

    def newest_fact_at(self) -> datetime | None:
        """Returns the instant of the newest fact of any table, or None."""
        with self._database.read() as connection:
            newest = connection.execute(_NEWEST).one()
        return max((at for at in newest if at is not None), default=None)

    def floor(self) -> LedgerCheckpoint | None:
        """Returns the ledger with all evidence in it that may be gone from the journal; None: all of it is there."""
        with self._database.read() as connection:
            return floor_in(connection)


_ByKind = tuple[list[tuple[int, Execution]], list[tuple[int, Trade]], list[tuple[int, EquityPoint]]]


def _by_kind(facts: Sequence[Fact]) -> _ByKind:
    executions: list[tuple[int, Execution]] = []
    trades: list[tuple[int, Trade]] = []
    equity: list[tuple[int, EquityPoint]] = []
    for index, fact in enumerate(facts):
        match fact:
            case Execution():
                executions.append((index, fact))
            case Trade():
                trades.append((index, fact))
            case EquityPoint():
                equity.append((index, fact))
    return executions, trades, equity


def _store_all(by_kind: _ByKind, connection: Connection) -> tuple[tuple[int, list[RefusedFact]], ...]:
    executions, trades, equity = by_kind
    evidence = floor_at(connection) if trades or equity else None
    return (
        _store(connection, EXECUTIONS, executions, pruned_up_to(connection, Kept.EXECUTIONS) if executions else None),
        _store(connection, TRADES, trades, evidence),
        _store(connection, EQUITY, equity, evidence),
    )


def _store(
    connection: Connection, table: FactTable[F], facts: list[tuple[int, F]], pruned: datetime | None
) -> tuple[int, list[RefusedFact]]:
    if pruned is None:
        return _store_new(connection, table, facts)
    old = [(index, fact) for index, fact in facts if happened_at(fact) <= pruned]
    new = [(index, fact) for index, fact in facts if happened_at(fact) > pruned]
    accepted, refused = _store_new(connection, table, new)
    return accepted, refused + _refused_old(connection, table, old, pruned)


def _refused_old(
    connection: Connection, table: FactTable[F], facts: list[tuple[int, F]], pruned: datetime
) -> list[RefusedFact]:
    stored = table.fetch(connection, {table.key_of(fact) for _, fact in facts})
    return [
        id_conflict(index, fact) if table.key_of(fact) in stored else too_old(index, fact, pruned)
        for index, fact in facts
        if stored.get(table.key_of(fact)) != fact
    ]


def _store_new(
    connection: Connection, table: FactTable[F], facts: list[tuple[int, F]]
) -> tuple[int, list[RefusedFact]]:
    if not facts:
        return 0, []
    firsts = table.firsts(fact for _, fact in facts)
    went_in = table.insert(connection, firsts)
    if len(went_in) == len(facts):
        return len(went_in), []
    stored = firsts | table.fetch(connection, firsts.keys() - went_in)
    conflicts = [(index, fact) for index, fact in facts if _differs(stored[table.key_of(fact)], fact)]
    return len(went_in), [id_conflict(index, fact) for index, fact in conflicts]


def _differs(stored: Fact, sent: Fact) -> bool:
    return stored is not sent and stored != sent


def _batches(
    found: CursorResult[*tuple[object, ...]], *, is_sqlite: bool
) -> Iterator[Sequence[tuple[object, ...] | Row[*tuple[object, ...]]]]:
    if not is_sqlite or found.cursor is None:
        yield from found.partitions()
        return
    # SQLite reads row by row anyway. Made into SQLAlchemy's own, its rows would take a sixth longer.
    while rows := found.cursor.fetchmany(_ROWS_OF_COLUMNS):
        yield rows


def _columns(rows: Sequence[tuple[object, ...] | Row[*tuple[object, ...]]]) -> TradeColumns:
    import numpy as np

    at, strategy_ids, net_pnl, risk_at_entry, live = zip(*rows, strict=True)
    return TradeColumns(
        at_us=microseconds_from(at) if isinstance(at[0], str) else np.array(at, dtype=np.int64),
        strategy_ids=strategy_ids,
        net_pnl=net_pnl,
        risk_at_entry=risk_at_entry,
        live=live,
    )


def _stream(
    connection: Connection,
    trades: Select[*tuple[object, ...]],
    equity: Select[*tuple[object, ...]],
    wanted: Mapping[str, object],
) -> Iterator[Evidence]:
    streaming = connection.execution_options(yield_per=_ROWS_AT_ONCE)
    with streaming.execute(trades, wanted) as some, streaming.execute(equity, wanted) as others:
        yield from merged(map(TradeEvidence._make, some), map(EquityEvidence._make, others))
