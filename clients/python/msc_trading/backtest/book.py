"""Positions of one side, by strategy and symbol, and the trades they end as."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from msc_client.facts import ClosedTrade, Direction, TradeSource
from msc_trading.market.candle import Candle

Key = tuple[str, str]
"""Strategy and symbol."""

_CENTS: Final = Decimal("0.00000001")
_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An entry that was granted, and is filled at the next price. `risk` is what it would lose at its stop."""

    trade_id: str
    strategy_id: str
    symbol: str
    direction: Direction
    quantity: Decimal
    stop: Decimal
    risk: Decimal
    notional: Decimal
    policy_version: int

    @property
    def key(self) -> Key:
        """Whose it is."""
        return (self.strategy_id, self.symbol)

    @property
    def signed(self) -> Decimal:
        """The quantity, below 0 for a short."""
        return self.quantity if self.direction is Direction.LONG else -self.quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """An open position of one strategy."""

    order: Order
    entry_price: Decimal
    opened_at: datetime

    def stopped_at(self, candle: Candle) -> Decimal | None:
        """Returns the price of a stop-out in this minute: the stop or, if the minute begins beyond it, its open."""
        stop = self.order.stop
        if self.order.direction is Direction.LONG:
            return min(stop, candle.open) if candle.low <= stop else None
        return max(stop, candle.open) if candle.high >= stop else None

    def closed(self, price: Decimal, at: datetime, *, fee_rate: Decimal, source: TradeSource) -> ClosedTrade:
        """Returns the trade that it ends as. Funding is 0: candles tell nothing of it."""
        order = self.order
        gross = (order.signed * (price - self.entry_price)).quantize(_CENTS)
        fees = fee_of(order.quantity, self.entry_price, fee_rate) + fee_of(order.quantity, price, fee_rate)
        return ClosedTrade(
            trade_id=order.trade_id,
            strategy_id=order.strategy_id,
            symbol=order.symbol,
            direction=order.direction,
            quantity=order.quantity,
            entry_price=self.entry_price,
            exit_price=price,
            opened_at=self.opened_at,
            closed_at=at,
            gross_pnl=gross,
            fees=fees,
            funding=_ZERO,
            net_pnl=gross - fees,
            source=source,
            risk_at_entry=order.risk.quantize(_CENTS),
            policy_version=order.policy_version,
        )


def fee_of(quantity: Decimal, price: Decimal, fee_rate: Decimal) -> Decimal:
    """Returns the fee of one side."""
    return (quantity * price * fee_rate).quantize(_CENTS)


class Book:
    """Orders and positions of one kind, with or without money, and the way of both through each minute."""

    def __init__(self) -> None:
        self.waiting: dict[Key, Order] = {}
        self.leaving: set[Key] = set()
        self.legs: dict[Key, Leg] = {}

    def holds(self, key: Key) -> bool:
        """Tells whether the strategy is in the symbol, or about to be, and not on its way out."""
        return key in self.waiting or (key in self.legs and key not in self.leaving)

    def enter(self, order: Order) -> None:
        """Takes an entry to be filled at the next price."""
        self.waiting[order.key] = order

    def leave(self, key: Key) -> None:
        """Takes an exit to be filled at the next price. What has not been filled yet is cancelled."""
        self.waiting.pop(key, None)
        if key in self.legs:
            self.leaving.add(key)

    def left(self, candle: Candle) -> list[Leg]:
        """Fills the waiting exits at the minute's first price, and returns what they closed."""
        keys = sorted(key for key in self.leaving if key[1] == candle.symbol)
        self.leaving.difference_update(keys)
        return [self.legs.pop(key) for key in keys]

    def entered(self, candle: Candle, at: datetime) -> list[Leg]:
        """Fills the waiting entries at the minute's first price, and returns them."""
        keys = [key for key in self.waiting if key[1] == candle.symbol]
        filled = [Leg(order=self.waiting.pop(key), entry_price=candle.open, opened_at=at) for key in keys]
        self.legs.update((leg.order.key, leg) for leg in filled)
        return filled

    def stopped(self, candle: Candle) -> list[tuple[Leg, Decimal]]:
        """Fills the stops that the minute reached, and returns them."""
        symbol = candle.symbol
        hit = [
            (leg, price)
            for key, leg in self.legs.items()
            if key[1] == symbol and (price := leg.stopped_at(candle)) is not None
        ]
        for leg, _ in hit:
            del self.legs[leg.order.key]
        return hit

    @property
    def is_busy(self) -> bool:
        """Whether a minute can change anything."""
        return bool(self.legs or self.waiting)
