"""What an executor remembers on disk, and how it is written: one JSON object on a line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, cast

from msc_client.facts import Direction, Side
from msc_trading.executor.ids import Purpose
from msc_trading.venue.port import OrderStatus, OrderType

Json = dict[str, object]


class Stage(StrEnum):
    """How far an order is, as far as we know."""

    PREPARED = "PREPARED"
    """Written down. Whether it was sent is not known after a crash."""
    UNKNOWN = "UNKNOWN"
    """Sent, and the answer did not decide."""
    PLACED = "PLACED"
    """The venue has it."""
    ENDED = "ENDED"
    """Nothing more can happen to it."""
    REFUSED = "REFUSED"
    """It certainly does not exist."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be expected."""
        return self in (Stage.ENDED, Stage.REFUSED)

    @property
    def is_undecided(self) -> bool:
        """Whether the venue may have it or not."""
        return self in (Stage.PREPARED, Stage.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRecord:
    """An order, written down before it is sent. Quantities in base, prices in quote currency.

    `risk` is what the entry loses at its stop, in account currency. `decision_json` is the guard's record. `trip_id`
    is the position that a stop or a reduction is for.
    """

    client_order_id: str
    purpose: Purpose
    strategy_id: str
    signal_id: str
    symbol: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    prepared_at: datetime
    price: Decimal | None = None
    stop_price: Decimal | None = None
    confidence: float | None = None
    risk: Decimal | None = None
    policy_version: int = 0
    decision_json: str = ""
    trip_id: str = ""
    stage: Stage = Stage.PREPARED
    order_id: str = ""
    status: OrderStatus | None = None
    filled: Decimal = Decimal(0)
    reason: str = ""

    @property
    def may_stay(self) -> bool:
        """Whether it is an order that waits at the venue, and that a process may leave behind."""
        return self.stage is Stage.PLACED and (self.purpose is Purpose.STOP or self.order_type is OrderType.LIMIT)

    @property
    def direction(self) -> Direction:
        """The direction of the position that it opens or reduces."""
        buys = self.side is Side.BUY
        return Direction.LONG if buys is not self.purpose.reduces else Direction.SHORT

    def with_changes(self, changes: Json) -> OrderRecord:
        """Returns the record with what a line of changes says."""
        return replace(self, **{name: _CHANGES[name](str(value)) for name, value in changes.items()})


_CHANGES: Final = {
    "stage": Stage,
    "order_id": str,
    "status": OrderStatus,
    "filled": Decimal,
    "reason": str,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatMark:
    """The symbol was flat, and everything before is in the journal. Fills since are read again after a restart.

    `seen` are the venue's ids of the fills at exactly `since`.
    """

    symbol: str
    since: datetime
    seen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DayStart:
    """The account's equity when the day (UTC, the venue's) began."""

    day: date
    equity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeResult:
    """What a closed trade made, for the losing streak."""

    trade_id: str
    closed_at: datetime
    net_pnl: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowPosition:
    """A position on paper, of a strategy that may not trade."""

    trade_id: str
    strategy_id: str
    symbol: str
    direction: Direction
    quantity: Decimal
    entry_price: Decimal
    stop_price: Decimal | None
    opened_at: datetime
    policy_version: int
    risk: Decimal | None


def order_line(record: OrderRecord) -> Json:
    """Returns the record as a line."""
    return {
        "kind": "order",
        "client_order_id": record.client_order_id,
        "purpose": record.purpose.name,
        "strategy_id": record.strategy_id,
        "signal_id": record.signal_id,
        "symbol": record.symbol,
        "side": record.side.value,
        "order_type": record.order_type.value,
        "quantity": str(record.quantity),
        "prepared_at": record.prepared_at.isoformat(),
        "price": _text(record.price),
        "stop_price": _text(record.stop_price),
        "confidence": record.confidence,
        "risk": _text(record.risk),
        "policy_version": record.policy_version,
        "decision_json": record.decision_json,
        "trip_id": record.trip_id,
        "stage": record.stage.value,
        "order_id": record.order_id,
        "status": None if record.status is None else record.status.value,
        "filled": str(record.filled),
        "reason": record.reason,
    }


def order_of(line: Json) -> OrderRecord:
    """Returns the record of a line."""
    confidence = line["confidence"]
    return OrderRecord(
        client_order_id=str(line["client_order_id"]),
        purpose=Purpose[str(line["purpose"])],
        strategy_id=str(line["strategy_id"]),
        signal_id=str(line["signal_id"]),
        symbol=str(line["symbol"]),
        side=Side(str(line["side"])),
        order_type=OrderType(str(line["order_type"])),
        quantity=Decimal(str(line["quantity"])),
        prepared_at=_instant(line["prepared_at"]),
        price=_number(line["price"]),
        stop_price=_number(line["stop_price"]),
        confidence=None if confidence is None else float(str(confidence)),
        risk=_number(line["risk"]),
        policy_version=int(str(line["policy_version"])),
        decision_json=str(line["decision_json"]),
        trip_id=str(line["trip_id"]),
        stage=Stage(str(line["stage"])),
        order_id=str(line["order_id"]),
        status=None if line["status"] is None else OrderStatus(str(line["status"])),
        filled=Decimal(str(line["filled"])),
        reason=str(line["reason"]),
    )


def flat_line(mark: FlatMark) -> Json:
    """Returns the mark as a line."""
    return {"kind": "flat", "symbol": mark.symbol, "since": mark.since.isoformat(), "seen": list(mark.seen)}


def flat_of(line: Json) -> FlatMark:
    """Returns the mark of a line."""
    seen = cast("list[object]", line["seen"])
    return FlatMark(symbol=str(line["symbol"]), since=_instant(line["since"]), seen=tuple(str(id_) for id_ in seen))


def day_line(start: DayStart) -> Json:
    """Returns the day's start as a line."""
    return {"kind": "day", "day": start.day.isoformat(), "equity": str(start.equity)}


def day_of(line: Json) -> DayStart:
    """Returns the day's start of a line."""
    return DayStart(day=date.fromisoformat(str(line["day"])), equity=Decimal(str(line["equity"])))


def result_line(result: TradeResult) -> Json:
    """Returns the result as a line."""
    return {
        "kind": "result",
        "trade_id": result.trade_id,
        "closed_at": result.closed_at.isoformat(),
        "net_pnl": str(result.net_pnl),
    }


def result_of(line: Json) -> TradeResult:
    """Returns the result of a line."""
    return TradeResult(
        trade_id=str(line["trade_id"]),
        closed_at=_instant(line["closed_at"]),
        net_pnl=Decimal(str(line["net_pnl"])),
    )


def shadow_line(position: ShadowPosition) -> Json:
    """Returns the position on paper as a line."""
    return {
        "kind": "shadow",
        "trade_id": position.trade_id,
        "strategy_id": position.strategy_id,
        "symbol": position.symbol,
        "direction": position.direction.value,
        "quantity": str(position.quantity),
        "entry_price": str(position.entry_price),
        "stop_price": _text(position.stop_price),
        "opened_at": position.opened_at.isoformat(),
        "policy_version": position.policy_version,
        "risk": _text(position.risk),
    }


def shadow_of(line: Json) -> ShadowPosition:
    """Returns the position on paper of a line."""
    return ShadowPosition(
        trade_id=str(line["trade_id"]),
        strategy_id=str(line["strategy_id"]),
        symbol=str(line["symbol"]),
        direction=Direction(str(line["direction"])),
        quantity=Decimal(str(line["quantity"])),
        entry_price=Decimal(str(line["entry_price"])),
        stop_price=_number(line["stop_price"]),
        opened_at=_instant(line["opened_at"]),
        policy_version=int(str(line["policy_version"])),
        risk=_number(line["risk"]),
    )


def _text(number: Decimal | None) -> str | None:
    return None if number is None else str(number)


def _number(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _instant(value: object) -> datetime:
    return datetime.fromisoformat(str(value)).astimezone(UTC)
