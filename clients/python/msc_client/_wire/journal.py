"""Facts of the journal to wire messages and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal

from google.protobuf.timestamp_pb2 import Timestamp

from msc_client import facts
from msc_client._delivery import Answer, Pending, Refused
from msc_policy.v1 import (
    DIRECTION_LONG,
    DIRECTION_SHORT,
    SIDE_BUY,
    SIDE_SELL,
    TRADE_SOURCE_LIVE,
    TRADE_SOURCE_SHADOW,
    ClosedTrade,
    EquityPoint,
    Execution,
    JournalEntry,
    RecordRequest,
    RecordResponse,
)

_SIDES = {facts.Side.BUY: SIDE_BUY, facts.Side.SELL: SIDE_SELL}
_DIRECTIONS = {facts.Direction.LONG: DIRECTION_LONG, facts.Direction.SHORT: DIRECTION_SHORT}
_SOURCES = {facts.TradeSource.LIVE: TRADE_SOURCE_LIVE, facts.TradeSource.SHADOW: TRADE_SOURCE_SHADOW}
_WORDS: Mapping[str, Mapping[int, str]] = {
    "side": {wire: str(ours) for ours, wire in _SIDES.items()},
    "direction": {wire: str(ours) for ours, wire in _DIRECTIONS.items()},
    "source": {wire: str(ours) for ours, wire in _SOURCES.items()},
}


def encode_fact(fact: facts.Fact) -> bytes:
    """Returns a fact as it is spooled: a JournalEntry without a number."""
    return _entry(fact).SerializeToString()


def _entry(fact: facts.Fact) -> JournalEntry:
    match fact:
        case facts.Execution():
            return JournalEntry(execution=_execution(fact))
        case facts.ClosedTrade():
            return JournalEntry(trade=_trade(fact))
        case facts.EquityPoint():
            return JournalEntry(equity=_equity(fact))


def record_request(batch: Iterable[Pending]) -> RecordRequest:
    """Returns one message with the spooled facts, each under its number in the spool."""
    request = RecordRequest()
    for pending in batch:
        entry = request.entries.add()
        entry.MergeFromString(pending.payload)
        entry.seq = pending.seq
    return request


def answer_of(response: RecordResponse) -> Answer:
    """Returns what became of a batch."""
    return Answer(
        stored=response.accepted + response.duplicates,
        refused_total=response.refused_total,
        refused=tuple(
            Refused(seq=entry.seq, id=entry.id, field=entry.field, code=entry.code, reason=entry.reason)
            for entry in response.refused
        ),
    )


def columns_of(payload: bytes) -> dict[str, object]:
    """Returns a spooled fact by the journal's column names, as JSON lines journals hold it, without what is unset."""
    entry = JournalEntry.FromString(payload)
    name = entry.WhichOneof("fact")
    if name is None:
        return {}
    message: Execution | ClosedTrade | EquityPoint = getattr(entry, name)
    row: dict[str, object] = {field.name: _column(field.name, value) for field, value in message.ListFields()}
    return row if name != "execution" else {"reduce_only": False} | row


def _column(name: str, value: object) -> object:
    if isinstance(value, Timestamp):
        return value.ToDatetime(tzinfo=UTC).isoformat()
    words = _WORDS.get(name)
    return words.get(value, value) if words and isinstance(value, int) else value


def _execution(fact: facts.Execution) -> Execution:
    return Execution(
        event_id=fact.event_id,
        account=fact.account,
        executor=fact.executor,
        strategy_id=fact.strategy_id,
        symbol=fact.symbol,
        side=_SIDES[fact.side],
        order_id=fact.order_id,
        client_order_id=fact.client_order_id,
        status=fact.status,
        quantity=_plain(fact.quantity),
        price="" if fact.price is None else _plain(fact.price),
        fee=_plain(fact.fee),
        realized_pnl=_plain(fact.realized_pnl),
        reduce_only=fact.reduce_only,
        confidence=fact.confidence,
        policy_version=fact.policy_version,
        at=_timestamp(fact.at),
        reason=fact.reason,
        detail_json=fact.detail_json,
    )


def _trade(fact: facts.ClosedTrade) -> ClosedTrade:
    return ClosedTrade(
        trade_id=fact.trade_id,
        strategy_id=fact.strategy_id,
        symbol=fact.symbol,
        direction=_DIRECTIONS[fact.direction],
        quantity=_plain(fact.quantity),
        entry_price=_plain(fact.entry_price),
        exit_price=_plain(fact.exit_price),
        opened_at=_timestamp(fact.opened_at),
        closed_at=_timestamp(fact.closed_at),
        gross_pnl=_plain(fact.gross_pnl),
        fees=_plain(fact.fees),
        funding=_plain(fact.funding),
        net_pnl=_plain(fact.net_pnl),
        risk_at_entry="" if fact.risk_at_entry is None else _plain(fact.risk_at_entry),
        source=_SOURCES[fact.source],
        policy_version=fact.policy_version,
    )


def _equity(fact: facts.EquityPoint) -> EquityPoint:
    return EquityPoint(
        account=fact.account,
        at=_timestamp(fact.at),
        wallet_balance=_plain(fact.wallet_balance),
        unrealized_pnl=_plain(fact.unrealized_pnl),
        net_flow=_plain(fact.net_flow),
    )


def _plain(number: Decimal) -> str:
    return format(number, "f")


def _timestamp(at: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp
