"""Facts of trading, as recorded in the journal. Instants are aware UTC; money and quantities are finite Decimals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class Side(StrEnum):
    """Side of an order."""

    BUY = "BUY"
    SELL = "SELL"


class Direction(StrEnum):
    """Direction of a position."""

    LONG = "LONG"
    SHORT = "SHORT"


class TradeSource(StrEnum):
    """Whether a trade was made with money."""

    LIVE = "LIVE"
    SHADOW = "SHADOW"


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One execution report of an order."""

    event_id: str
    account: str
    executor: str
    strategy_id: str
    symbol: str
    side: Side
    order_id: str
    client_order_id: str
    status: str
    quantity: Decimal
    price: Decimal | None
    fee: Decimal
    realized_pnl: Decimal
    reduce_only: bool
    confidence: float | None
    policy_version: int
    at: datetime
    reason: str = ""
    detail_json: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One closed round trip. `risk_at_entry` is None where it is unknown."""

    trade_id: str
    strategy_id: str
    symbol: str
    direction: Direction
    quantity: Decimal
    entry_price: Decimal
    exit_price: Decimal
    opened_at: datetime
    closed_at: datetime
    gross_pnl: Decimal
    fees: Decimal
    funding: Decimal
    net_pnl: Decimal
    risk_at_entry: Decimal | None
    source: TradeSource
    policy_version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityPoint:
    """One reading of the account. `net_flow` is deposits minus withdrawals since the point before."""

    account: str
    at: datetime
    wallet_balance: Decimal
    unrealized_pnl: Decimal
    net_flow: Decimal


Fact = Execution | Trade | EquityPoint


def happened_at(fact: Fact) -> datetime:
    """Returns when a fact happened, and so could be known: for a trade, when it was closed."""
    return fact.closed_at if isinstance(fact, Trade) else fact.at
