"""The guard's answer: one value with the reason, the numbers, and every check on the way."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Final

from msc_client.policy import Ref, RiskMode
from msc_client.tier import Tier
from msc_trading.filters import plain
from msc_trading.guard.intent import OrderIntent


class ReasonCode(StrEnum):
    """Why. A closed set; who counts blocks counts by these."""

    ALLOWED = "ALLOWED"
    INVALID_INPUT = "INVALID_INPUT"
    ID_CONFLICT = "ID_CONFLICT"
    FLIP_NOT_ALLOWED = "FLIP_NOT_ALLOWED"
    NOTHING_TO_REDUCE = "NOTHING_TO_REDUCE"
    TRADING_HALTED = "TRADING_HALTED"
    TRADING_REDUCING = "TRADING_REDUCING"
    TRADING_STATE_UNKNOWN = "TRADING_STATE_UNKNOWN"
    CLOCK_OFFSET = "CLOCK_OFFSET"
    JOURNAL_UNAVAILABLE = "JOURNAL_UNAVAILABLE"
    POSITIONS_UNKNOWN = "POSITIONS_UNKNOWN"
    POLICY_MISSING = "POLICY_MISSING"
    POLICY_EXPIRED = "POLICY_EXPIRED"
    POLICY_REGRESSED = "POLICY_REGRESSED"
    STRATEGY_NOT_ALLOWED = "STRATEGY_NOT_ALLOWED"
    CONFIDENCE_TOO_LOW = "CONFIDENCE_TOO_LOW"
    SYMBOL_LOCKED = "SYMBOL_LOCKED"
    PRICE_STALE = "PRICE_STALE"
    PRICE_COLLAR = "PRICE_COLLAR"
    FILTER_PRICE_RANGE = "FILTER_PRICE_RANGE"
    FILTER_TICK_SIZE = "FILTER_TICK_SIZE"
    FILTER_LOT_SIZE = "FILTER_LOT_SIZE"
    FILTER_STEP_SIZE = "FILTER_STEP_SIZE"
    FILTER_MARKET_LOT_SIZE = "FILTER_MARKET_LOT_SIZE"
    FILTER_MIN_NOTIONAL = "FILTER_MIN_NOTIONAL"
    FILTER_PERCENT_PRICE = "FILTER_PERCENT_PRICE"
    MAX_NOTIONAL = "MAX_NOTIONAL"
    MAX_QTY = "MAX_QTY"
    EQUITY_UNKNOWN = "EQUITY_UNKNOWN"
    RISK_PER_TRADE = "RISK_PER_TRADE"
    DAILY_LOSS = "DAILY_LOSS"
    LOSS_STREAK = "LOSS_STREAK"
    REPEAT_THROTTLE = "REPEAT_THROTTLE"
    STRATEGY_CAP = "STRATEGY_CAP"
    MAX_POSITIONS = "MAX_POSITIONS"
    MAX_DAILY_TRADES = "MAX_DAILY_TRADES"
    MAX_EXPOSURE = "MAX_EXPOSURE"
    MAX_OPEN_RISK = "MAX_OPEN_RISK"
    RATE_LIMIT = "RATE_LIMIT"


class Lane(StrEnum):
    """How an order was judged."""

    ENTRY = "ENTRY"
    """It may open or grow a position: every check."""
    REDUCE = "REDUCE"
    """It can only reduce one: shape, filters and its own rate lane."""


CheckRow = tuple[str, object, object, bool]
"""Name, value, limit, passed: a check as it is recorded while judging."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check: what was found, what was allowed, and whether it passed. A None value was unknown."""

    name: str
    value: object
    limit: object
    passed: bool


@dataclass(frozen=True, slots=True)
class Counters:
    """How much of the counted limits was in use. `daily_used` None: not known yet."""

    positions_confirmed: int
    positions_reserved: int
    positions_limit: int
    daily_used: int | None
    daily_limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the guard said of one intent, whole: enough to judge the judgement later.

    `reservation_id` is what was set aside (None: nothing). `expires_at_ns`, on the policy source's clock, is when an
    undecided reservation is to be asked about. `counters_before` and `_after` are None where no count was reached.
    """

    decision_id: str
    intent: OrderIntent
    lane: Lane
    allowed: bool
    reason_code: ReasonCode
    text: str
    headline: str
    at: datetime
    rows: tuple[CheckRow, ...]
    reservation_id: str | None
    expires_at_ns: int | None
    policy_ref: Ref | None
    policy_tier: Tier
    policy_age_s: float | None
    risk_mode: RiskMode
    degraded: bool
    notional: Decimal | None
    risk_fraction: Decimal | None
    equity: Decimal | None
    equity_age_s: float | None
    counters_before: Counters | None
    counters_after: Counters | None
    latency_us: float

    @property
    def checks(self) -> tuple[Check, ...]:
        """Every check that was made, in order, with its value and its limit."""
        return tuple(
            Check(name=name, value=value, limit=limit, passed=passed) for name, value, limit, passed in self.rows
        )

    @property
    def policy_version(self) -> int:
        """The version that the decision was made under, 0 when there was none."""
        return 0 if self.policy_ref is None else self.policy_ref.version

    def as_json(self) -> str:
        """Returns the whole decision as one JSON object on one line. Decimals are strings, unknown is null."""
        document = {item.name: _plain(getattr(self, item.name)) for item in fields(self) if item.name != "rows"}
        document["checks"] = [
            {"name": name, "value": _plain(value), "limit": _plain(limit), "passed": passed}
            for name, value, limit, passed in self.rows
        ]
        return json.dumps(document, separators=(",", ":"), allow_nan=False)


_UNTOUCHED: Final = (str, bool, int)


def _plain(value: object) -> object:  # noqa: PLR0911 -- one line for each kind of value
    if isinstance(value, Enum):
        return value.name
    if value is None or isinstance(value, _UNTOUCHED):
        return value
    if isinstance(value, float):
        # JSON has no word for these, and a document that cannot be read tells nobody.
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Decimal):
        return plain(value) if value.is_finite() else str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, OrderIntent | Ref | Counters):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, tuple | list | frozenset):
        return [_plain(part) for part in value]
    return str(value)
