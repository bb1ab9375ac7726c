"""What an executor asks the risk guard for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msc_client.facts import Side
from msc_trading.venue.port import OrderType


class PositionSide(StrEnum):
    """Which position of a symbol is meant. Only BOTH, the one-way mode, is supported."""

    BOTH = "BOTH"
    LONG = "LONG"
    SHORT = "SHORT"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIntent:
    """An order that somebody wants to send, not yet judged: any field may be wrong, and the guard says which.

    Quantities are in base currency, prices in quote currency. `client_order_id` makes the request idempotent.
    `close_position` means an order that closes whatever the position then is, so that its quantity is not compared.
    `ref_price` is what the sender saw at `ref_price_at` from `ref_price_source`. `confidence` is a fraction.
    """

    account_id: str
    executor_id: str
    strategy_id: str
    symbol: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    client_order_id: str
    signal_at: datetime
    executor_epoch: int = 0
    position_side: PositionSide = PositionSide.BOTH
    price: Decimal | None = None
    stop_price: Decimal | None = None
    reduce_only: bool = False
    close_position: bool = False
    confidence: float | None = None
    ref_price: Decimal | None = None
    ref_price_at: datetime | None = None
    ref_price_source: str = ""
    trace_id: str = ""

    @property
    def only_reduces(self) -> bool:
        """Whether the venue itself makes sure that the order cannot open or grow a position."""
        return self.reduce_only or self.close_position

    @property
    def payload(self) -> tuple[object, ...]:
        """What the order is, without what was known when it was asked for: equal payloads are the same order."""
        return (
            self.account_id,
            self.strategy_id,
            self.symbol,
            self.side,
            self.position_side,
            self.order_type,
            self.quantity,
            self.price,
            self.stop_price,
            self.reduce_only,
            self.close_position,
        )
