"""Facts an executor writes to the journal. Each is checked when it is made, so that what is spooled can be stored.

Money and quantities are finite Decimals with at most 15 digits before and 18 behind the point; instants are aware and
kept in UTC. A ValueError names the field.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Context, Decimal
from enum import StrEnum
from typing import Literal

__all__ = ["ClosedTrade", "Direction", "EquityPoint", "Execution", "Fact", "Side", "TradeSource"]

MAX_INTEGER_DIGITS = 15
MAX_DECIMAL_PLACES = 18
MAX_ID_CHARS = 128
MAX_REASON_CHARS = 256
MAX_DETAIL_CHARS = 16_384
MAX_STATUS_CHARS = 32
MAX_POLICY_VERSION = 2**63 - 1
NET_PNL_TOLERANCE = Decimal("0.02")
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)

_EXACT = Context(prec=80)


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
    """One execution report of an order. `price` None: there is none; `confidence` is a fraction.

    `status` is in the venue's words, or BLOCKED for an order refused before it was sent; `quantity` is what was
    filled, or ordered where nothing was; a negative `fee` is a rebate; `detail_json` is the record of the decision.

    Raises:
        ValueError: a field is out of sense. The message starts with its name.
    """

    event_id: str
    account: str
    executor: str
    symbol: str
    side: Side
    status: str
    quantity: Decimal
    reduce_only: bool
    at: datetime
    strategy_id: str = ""
    order_id: str = ""
    client_order_id: str = ""
    price: Decimal | None = None
    fee: Decimal = Decimal(0)
    realized_pnl: Decimal = Decimal(0)
    confidence: float | None = None
    policy_version: int = 0
    reason: str = ""
    detail_json: str = ""

    def __post_init__(self) -> None:
        """Checks every field."""
        _check_names(self, "event_id", "account", "executor", "symbol")
        _check_names(self, "strategy_id", "order_id", "client_order_id", empty=True)
        _check_names(self, "reason", empty=True, max_chars=MAX_REASON_CHARS)
        _check_status(self.status)
        _check_member("side", self.side, Side)
        _check_numbers(self, "quantity", "price", sign="positive")
        _check_numbers(self, "fee", "realized_pnl")
        _check_flag("reduce_only", self.reduce_only)
        _check_fraction("confidence", self.confidence)
        _check_version(self.policy_version)
        _check_json("detail_json", self.detail_json)
        _keep_in_utc(self, "at")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedTrade:
    """One closed round trip. `risk_at_entry` None: unknown; `net_pnl` is gross_pnl - fees + funding.

    Raises:
        ValueError: a field is out of sense. The message starts with its name.
    """

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
    source: TradeSource
    risk_at_entry: Decimal | None = None
    policy_version: int = 0

    def __post_init__(self) -> None:
        """Checks every field, and that they agree."""
        _check_names(self, "trade_id", "strategy_id", "symbol")
        _check_member("direction", self.direction, Direction)
        _check_member("source", self.source, TradeSource)
        _check_numbers(self, "quantity", "entry_price", "exit_price", "risk_at_entry", sign="positive")
        _check_numbers(self, "gross_pnl", "fees", "funding", "net_pnl")
        _check_version(self.policy_version)
        _keep_in_utc(self, "opened_at", "closed_at")
        if self.closed_at < self.opened_at:
            raise ValueError("closed_at: must not be before opened_at")
        net = _EXACT.add(_EXACT.subtract(self.gross_pnl, self.fees), self.funding)
        if abs(_EXACT.subtract(net, self.net_pnl)) > NET_PNL_TOLERANCE:
            raise ValueError(f"net_pnl: is {self.net_pnl}, but gross_pnl - fees + funding is {net}")


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityPoint:
    """One reading of the account. `net_flow` is deposits minus withdrawals since the reading before.

    Raises:
        ValueError: a field is out of sense. The message starts with its name.
    """

    account: str
    at: datetime
    wallet_balance: Decimal
    unrealized_pnl: Decimal
    net_flow: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        """Checks every field."""
        _check_names(self, "account")
        _check_numbers(self, "wallet_balance", "unrealized_pnl", "net_flow")
        _keep_in_utc(self, "at")


Fact = Execution | ClosedTrade | EquityPoint


def _check_names(fact: object, *fields: str, empty: bool = False, max_chars: int = MAX_ID_CHARS) -> None:
    for field in fields:
        text = getattr(fact, field)
        if not isinstance(text, str):
            raise ValueError(f"{field}: must be text, not {type(text).__name__}")
        if not text and not empty:
            raise ValueError(f"{field}: must not be empty")
        if len(text) > max_chars:
            raise ValueError(f"{field}: has {len(text)} characters; at most {max_chars} are taken")
        if not text.isprintable() or text != text.strip():
            raise ValueError(f"{field}: has control characters, or blanks at its ends")


def _check_status(status: object) -> None:
    upper = isinstance(status, str) and status.isascii() and status.replace("_", "").isalnum() and status[:1].isalpha()
    if not isinstance(status, str) or not upper or status != status.upper() or len(status) > MAX_STATUS_CHARS:
        raise ValueError("status: must be an order status in capitals, such as FILLED")


def _check_member(field: str, value: object, kind: type[StrEnum]) -> None:
    if not isinstance(value, kind):
        raise ValueError(f"{field}: must be one of {', '.join(kind)}, as a {kind.__name__}")


def _check_numbers(fact: object, *fields: str, sign: Literal["any", "positive"] = "any") -> None:
    for field in fields:
        value = getattr(fact, field)
        if value is None and field in _MAY_BE_NONE:
            continue
        _check_number(field, value)
        if sign == "positive" and value <= 0:
            raise ValueError(f"{field}: is {value}; it must be above 0")


_MAY_BE_NONE = frozenset({"price", "risk_at_entry"})


def _check_number(field: str, value: object) -> None:
    if not isinstance(value, Decimal):
        raise ValueError(f"{field}: must be a Decimal, not {type(value).__name__}")
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):
        raise ValueError(f"{field}: is {value}; it must be finite")
    if value.adjusted() >= MAX_INTEGER_DIGITS:
        raise ValueError(f"{field}: has more than {MAX_INTEGER_DIGITS} digits before the point")
    if exponent < -MAX_DECIMAL_PLACES:
        raise ValueError(f"{field}: has more than {MAX_DECIMAL_PLACES} decimal places; quantize it")


def _check_flag(field: str, value: object) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"{field}: must be True or False")


def _check_fraction(field: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, float) or not 0.0 <= value <= 1.0:
        raise ValueError(f"{field}: must be a float from 0 to 1, or None")


def _check_version(value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_POLICY_VERSION:
        raise ValueError("policy_version: must be a whole number from 0, which means none")


def _check_json(field: str, text: object) -> None:
    if not isinstance(text, str):
        raise ValueError(f"{field}: must be text, not {type(text).__name__}")
    if len(text) > MAX_DETAIL_CHARS:
        raise ValueError(f"{field}: has {len(text)} characters; at most {MAX_DETAIL_CHARS} are taken")
    if text and not _is_json_object(text):
        raise ValueError(f"{field}: must be a JSON object in valid Unicode")


def _is_json_object(text: str) -> bool:
    try:
        text.encode()
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _keep_in_utc(fact: object, *fields: str) -> None:
    for field in fields:
        at = getattr(fact, field)
        if not isinstance(at, datetime) or at.utcoffset() is None:
            raise ValueError(f"{field}: must be an aware datetime")
        try:
            utc = at.astimezone(UTC)
        except OverflowError as error:
            raise ValueError(f"{field}: is outside the calendar in UTC") from error
        if utc < EARLIEST:
            raise ValueError(f"{field}: is before {EARLIEST.isoformat()}")
        object.__setattr__(fact, field, utc)
