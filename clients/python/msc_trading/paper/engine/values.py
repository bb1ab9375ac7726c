"""Values of the engine: orders, trades, positions. Prices and money in quote, quantities in base currency."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msc_client import Side

ZERO = Decimal(0)


class OrderType(StrEnum):
    """Type of an order."""

    LIMIT = "LIMIT"
    MARKET = "MARKET"
    STOP = "STOP"
    STOP_MARKET = "STOP_MARKET"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_MARKET = "TAKE_PROFIT_MARKET"
    TRAILING_STOP_MARKET = "TRAILING_STOP_MARKET"
    LIQUIDATION = "LIQUIDATION"


CONDITIONAL_TYPES = frozenset(
    {
        OrderType.STOP,
        OrderType.STOP_MARKET,
        OrderType.TAKE_PROFIT,
        OrderType.TAKE_PROFIT_MARKET,
        OrderType.TRAILING_STOP_MARKET,
    }
)


class TimeInForce(StrEnum):
    """How long an order lives."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTX = "GTX"
    GTD = "GTD"


class Status(StrEnum):
    """State of an order."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"
    REJECTED = "REJECTED"

    @property
    def is_open(self) -> bool:
        """Whether the order can still be filled."""
        return self in {Status.NEW, Status.PARTIALLY_FILLED}


class AlgoStatus(StrEnum):
    """State of a conditional order."""

    NEW = "NEW"
    TRIGGERING = "TRIGGERING"
    TRIGGERED = "TRIGGERED"
    FINISHED = "FINISHED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"


class Execution(StrEnum):
    """What a report about an order reports."""

    NEW = "NEW"
    TRADE = "TRADE"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    AMENDMENT = "AMENDMENT"
    CALCULATED = "CALCULATED"


class WorkingType(StrEnum):
    """Which price triggers."""

    CONTRACT_PRICE = "CONTRACT_PRICE"
    MARK_PRICE = "MARK_PRICE"


class SelfTrade(StrEnum):
    """Who gives way when an order would trade with one of its own account."""

    NONE = "NONE"
    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """An order as it was asked for. `price` is None for MARKET; `good_till` is set for GTD."""

    symbol: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    client_order_id: str | None = None
    reduce_only: bool = False
    position_side: str = "BOTH"
    self_trade: SelfTrade = SelfTrade.NONE
    good_till: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAlgo:
    """A conditional order as it was asked for. `quantity` is None when it closes the whole position."""

    symbol: str
    side: Side
    order_type: OrderType
    trigger_price: Decimal | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    client_algo_id: str | None = None
    reduce_only: bool = False
    close_position: bool = False
    position_side: str = "BOTH"
    working_type: WorkingType = WorkingType.CONTRACT_PRICE
    price_protect: bool = False
    activate_price: Decimal | None = None
    callback_rate: Decimal | None = None
    self_trade: SelfTrade = SelfTrade.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order in its present state. `price` is 0 for MARKET; `quote` is what was paid or got so far."""

    order_id: int
    client_order_id: str
    symbol: str
    side: Side
    order_type: OrderType
    original_type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    price: Decimal
    status: Status
    created: datetime
    updated: datetime
    executed: Decimal = ZERO
    quote: Decimal = ZERO
    stop_price: Decimal = ZERO
    reduce_only: bool = False
    close_position: bool = False
    working_type: WorkingType = WorkingType.CONTRACT_PRICE
    price_protect: bool = False
    self_trade: SelfTrade = SelfTrade.NONE
    good_till: datetime | None = None
    algo_id: int | None = None

    @property
    def remaining(self) -> Decimal:
        """What is still to be filled."""
        return self.quantity - self.executed

    @property
    def average_price(self) -> Decimal:
        """Average price of what was filled, 0 without a fill."""
        return self.quote / self.executed if self.executed else ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Algo:
    """A conditional order in its present state. `extreme` is the best price a trailing stop has seen."""

    algo_id: int
    client_algo_id: str
    asked: NewAlgo
    trigger_price: Decimal
    status: AlgoStatus
    created: datetime
    updated: datetime
    triggered: datetime | None = None
    order_id: int | None = None
    average_price: Decimal = ZERO
    executed: Decimal = ZERO
    extreme: Decimal | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One fill. `fee` is positive when paid."""

    trade_id: int
    order_id: int
    client_order_id: str
    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal
    realized: Decimal
    maker: bool
    reduce_only: bool
    at: datetime

    @property
    def quote(self) -> Decimal:
        """Price times quantity."""
        return self.price * self.quantity


class IncomeType(StrEnum):
    """Why the wallet changed."""

    TRANSFER = "TRANSFER"
    REALIZED_PNL = "REALIZED_PNL"
    COMMISSION = "COMMISSION"
    FUNDING_FEE = "FUNDING_FEE"
    INSURANCE_CLEAR = "INSURANCE_CLEAR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Income:
    """One change of the wallet; negative when paid."""

    kind: IncomeType
    symbol: str
    amount: Decimal
    at: datetime
    transaction_id: int
    trade_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A position in one-way mode. `quantity` is signed; `realized` is what it has earned since the beginning."""

    symbol: str
    quantity: Decimal = ZERO
    entry_price: Decimal = ZERO
    realized: Decimal = ZERO
    updated: datetime | None = None

    def unrealized(self, mark: Decimal) -> Decimal:
        """Returns what closing it at this price would earn, before fees."""
        return (mark - self.entry_price) * self.quantity
