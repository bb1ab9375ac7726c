"""What trading needs from an exchange. Everything in Decimal and aware UTC; errors are ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from msc_client.facts import Side


class OrderType(StrEnum):
    """How an order is executed."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"


class OrderStatus(StrEnum):
    """State of an order, in the venue's words. UNKNOWN: asked, and no answer that decides."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"

    @property
    def is_final(self) -> bool:
        """Whether nothing more can happen to the order."""
        return self in _FINAL


_FINAL = frozenset(
    {
        OrderStatus.FILLED,
        OrderStatus.CANCELED,
        OrderStatus.EXPIRED,
        OrderStatus.EXPIRED_IN_MATCH,
        OrderStatus.REJECTED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolRules:
    """The venue's filters of one symbol. Prices in quote, quantities in base currency."""

    symbol: str
    trading: bool
    tick_size: Decimal
    min_price: Decimal
    max_price: Decimal
    step_size: Decimal
    min_quantity: Decimal
    max_quantity: Decimal
    market_step_size: Decimal
    market_min_quantity: Decimal
    market_max_quantity: Decimal
    min_notional: Decimal
    multiplier_up: Decimal
    multiplier_down: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """An order to place. `price` is None for MARKET. `client_order_id`: A-Z a-z 0-9 _ - only, at most 36."""

    client_order_id: str
    symbol: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    price: Decimal | None = None
    reduce_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequest:
    """A protective stop through the algo endpoint: closes the whole position at market when the price is reached."""

    client_algo_id: str
    symbol: str
    side: Side
    trigger_price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderState:
    """What the venue says of an order. `average_price` None: nothing filled."""

    client_order_id: str
    order_id: str
    symbol: str
    side: Side
    status: OrderStatus
    quantity: Decimal
    filled_quantity: Decimal
    average_price: Decimal | None
    reduce_only: bool
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StopState:
    """What the venue says of a protective stop. `active`: it has neither triggered nor ended."""

    client_algo_id: str
    symbol: str
    side: Side
    trigger_price: Decimal
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A position in one-way mode. `quantity` is signed: positive is long."""

    symbol: str
    quantity: Decimal
    entry_price: Decimal
    mark_price: Decimal
    unrealized_pnl: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """The account, in its currency."""

    wallet_balance: Decimal
    unrealized_pnl: Decimal
    available: Decimal
    at: datetime

    @property
    def equity(self) -> Decimal:
        """Wallet balance plus unrealised PnL."""
        return self.wallet_balance + self.unrealized_pnl


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One fill. `trade_id` is the venue's, unique in its symbol; `fee` is positive when paid."""

    trade_id: str
    order_id: str
    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    realized_pnl: Decimal
    reduce_only: bool
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """The newest price of a symbol."""

    symbol: str
    price: Decimal
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderUpdate:
    """The user stream told of an order. `fill` is set when this report is a fill."""

    order: OrderState
    fill: Fill | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionUpdate:
    """The user stream told of a position or the wallet. A None was not in the report."""

    symbol: str | None
    quantity: Decimal | None
    entry_price: Decimal | None
    wallet_balance: Decimal | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLost:
    """The user stream may have missed something: whoever reads it must compare with the venue (resync)."""

    why: str


UserEvent = OrderUpdate | PositionUpdate | StreamLost


class Venue(Protocol):
    """An exchange account in one-way mode. Every call may raise VenueError; see its subclasses."""

    async def rules(self, symbol: str) -> SymbolRules:
        """Returns the filters of a symbol. Cached by the venue; refreshed when the venue says they changed."""
        ...

    async def place(self, order: OrderRequest) -> OrderState:
        """Places an order once. Never resends.

        Raises:
            OutcomeUnknown: nobody knows whether it exists; settle it by `order` and the stream.
            OrderRefused: it certainly does not exist; `code` says why.
        """
        ...

    async def place_stop(self, stop: StopRequest) -> StopState:
        """Places a protective stop; raises as `place` does."""
        ...

    async def cancel(self, symbol: str, client_order_id: str) -> OrderState:
        """Cancels an order, or returns its final state when there is nothing left to cancel."""
        ...

    async def cancel_stop(self, symbol: str, client_algo_id: str) -> None:
        """Cancels a protective stop; one that is gone is fine."""
        ...

    async def order(self, symbol: str, client_order_id: str) -> OrderState | None:
        """Returns the order, or None when the venue says that it does not exist."""
        ...

    async def open_orders(self) -> list[OrderState]:
        """Returns every open order."""
        ...

    async def open_stops(self) -> list[StopState]:
        """Returns every protective stop that is still armed."""
        ...

    async def positions(self) -> list[Position]:
        """Returns every position that is not flat."""
        ...

    async def balance(self) -> Balance:
        """Returns the account's balance."""
        ...

    async def fills(self, symbol: str, since: datetime) -> list[Fill]:
        """Returns the fills since then, oldest first, all pages."""
        ...

    async def price(self, symbol: str) -> Price:
        """Returns the newest price."""
        ...

    def prices(self, symbols: tuple[str, ...]) -> AsyncIterator[Price]:
        """Yields prices as they come; reconnects by itself."""
        ...

    def user_events(self) -> AsyncIterator[UserEvent]:
        """Yields what happens to the account; StreamLost after every interruption, first of all at its start."""
        ...

    async def arm_dead_man(self, symbol: str, countdown_s: float) -> None:
        """Has the venue cancel the symbol's open orders unless this is called again in time; 0 disarms."""
        ...

    def clock_offset_s(self) -> float | None:
        """Returns venue time minus local time, None while it is unknown."""
        ...

    async def now(self) -> datetime:
        """Returns the venue's present instant (local clock + measured offset; simulated time on a paper exchange)."""
        ...


class VenueError(Exception):
    """The venue did not do what was asked. `code` is the venue's, 0 without one. Messages hold no secrets."""

    def __init__(self, message: str, *, code: int = 0) -> None:
        """Takes the message for people and the venue's code."""
        super().__init__(message)
        self.code = code


class OrderRefused(VenueError):
    """The order was refused and does not exist."""


class OutcomeUnknown(VenueError):
    """Nobody knows whether it was done. Never send it again; ask."""


class RateLimited(VenueError):
    """Too many requests; `retry_after_s` says how long to hold back. Nothing was done."""

    def __init__(self, message: str, *, code: int = 0, retry_after_s: float) -> None:
        """Takes how long to hold back."""
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s


class VenueUnavailable(VenueError):
    """The venue cannot be reached; a query may be tried again."""


class VenueMisconfigured(VenueError):
    """The account is not usable as it is: hedge mode, bad keys, no permission. A person has to act."""
