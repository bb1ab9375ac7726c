"""What happened, in the order in which it happened. Values are snapshots of that instant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from msc_trading.paper.engine.values import Algo, Execution, Order, Position, Trade


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent:
    """A report about an order; `trade` is set when it reports a fill."""

    at: datetime
    order: Order
    execution: Execution
    trade: Trade | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeLite:
    """The short report of a fill, which is sent ahead of the full one."""

    at: datetime
    order: Order
    trade: Trade


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountEvent:
    """The wallet or a position changed. `change` is what is neither trade nor fee."""

    at: datetime
    reason: str
    wallet: Decimal
    change: Decimal
    position: Position | None
    mark: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class AlgoEvent:
    """A conditional order changed."""

    at: datetime
    algo: Algo


@dataclass(frozen=True, slots=True, kw_only=True)
class LeverageEvent:
    """The leverage of a symbol was set."""

    at: datetime
    symbol: str
    leverage: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginCall:
    """Equity comes close to the maintenance margin."""

    at: datetime
    wallet: Decimal
    positions: tuple[tuple[Position, Decimal, Decimal], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForcedOrder:
    """A liquidation, as the whole market sees it."""

    at: datetime
    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceMoved:
    """The price of a symbol moved, by `quantity` traded; the last move of a minute closes its bar."""

    at: datetime
    symbol: str
    quantity: Decimal
    closes_bar: bool


Event = OrderEvent | TradeLite | AccountEvent | AlgoEvent | LeverageEvent | MarginCall | ForcedOrder | PriceMoved
PRIVATE_EVENTS = (OrderEvent, TradeLite, AccountEvent, AlgoEvent, LeverageEvent, MarginCall)
