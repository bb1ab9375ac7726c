"""The first check: whether an intent makes sense at all. Nothing that is not a number gets any further."""

from __future__ import annotations

import math
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from msc_client.facts import MAX_DECIMAL_PLACES, MAX_ID_CHARS, MAX_INTEGER_DIGITS, Side
from msc_trading.filters import is_client_order_id
from msc_trading.guard.facts import GuardFacts
from msc_trading.guard.intent import OrderIntent, PositionSide
from msc_trading.venue.port import OrderType

_MAX_NAME_CHARS: Final = MAX_ID_CHARS
_ZERO: Final = Decimal(0)


def shape_problem(intent: OrderIntent, facts: GuardFacts, account_id: str) -> str | None:
    """Returns what is wrong with an intent, starting with the field's name, or None.

    What only an entry needs is not asked of an order that can only reduce: it never reaches the venue.
    """
    return (
        _identity_problem(intent, account_id)
        or _member_problem(intent)
        or _order_problem(intent)
        or (None if intent.only_reduces else _entry_problem(intent, facts))
    )


def _identity_problem(intent: OrderIntent, account_id: str) -> str | None:
    if intent.account_id != account_id:
        return f"account_id: {intent.account_id!r} is not {account_id!r}, which this guard keeps"
    if not isinstance(intent.client_order_id, str) or not is_client_order_id(intent.client_order_id):
        return f"client_order_id: {intent.client_order_id!r} is not 1 to 36 of A-Z a-z 0-9 _ -"
    return (
        name_problem("symbol", intent.symbol)
        or name_problem("executor_id", intent.executor_id)
        # An empty strategy is a signal without an owner: well formed, and not allowed.
        or (name_problem("strategy_id", intent.strategy_id) if intent.strategy_id != "" else None)
    )


def name_problem(field: str, text: object) -> str | None:
    """Returns what is wrong with a name, starting with its field's, or None."""
    if not isinstance(text, str) or not text or len(text) > _MAX_NAME_CHARS:
        return f"{field}: must be text of 1 to {_MAX_NAME_CHARS} characters"
    if not text.isprintable() or text != text.strip():
        return f"{field}: has control characters, or blanks at its ends"
    return None


def _member_problem(intent: OrderIntent) -> str | None:
    if intent.position_side is not PositionSide.BOTH:
        return f"position_side: {intent.position_side} belongs to hedge mode, which is not supported; use BOTH"
    return _not_member("side", intent.side, Side) or _not_member("order_type", intent.order_type, OrderType)


def _not_member(field: str, value: object, kind: type[StrEnum]) -> str | None:
    return None if isinstance(value, kind) else f"{field}: {value!r} is none of {', '.join(kind)}"


def _order_problem(intent: OrderIntent) -> str | None:
    problem = _number_problem("quantity", intent.quantity)
    if problem is not None:
        return problem
    if intent.order_type is OrderType.LIMIT and intent.price is None:
        return "price: a LIMIT order needs one"
    if intent.order_type is OrderType.MARKET and intent.price is not None:
        return "price: a MARKET order has none"
    return None if intent.price is None else _number_problem("price", intent.price)


def _entry_problem(intent: OrderIntent, facts: GuardFacts) -> str | None:
    return (
        (None if intent.stop_price is None else _number_problem("stop_price", intent.stop_price))
        or (None if intent.ref_price is None else _number_problem("ref_price", intent.ref_price))
        or (None if intent.confidence is None else _confidence_problem(intent.confidence))
        or _instant_problem("signal_at", intent.signal_at)
        or _instant_problem("now", facts.now)
        or _stop_problem(intent)
        or _symbol_problem(intent, facts)
    )


def _number_problem(field: str, value: object) -> str | None:
    if not isinstance(value, Decimal):
        return f"{field}: must be a Decimal, not {type(value).__name__}"
    if not value.is_finite() or value <= _ZERO:
        return f"{field}: is {value}; it must be a number above 0"
    exponent = value.as_tuple().exponent
    if value.adjusted() >= MAX_INTEGER_DIGITS or (isinstance(exponent, int) and exponent < -MAX_DECIMAL_PLACES):
        return f"{field}: has more than {MAX_INTEGER_DIGITS} digits before the point, or {MAX_DECIMAL_PLACES} behind it"
    return None


def _confidence_problem(value: object) -> str | None:
    if isinstance(value, float | int) and not isinstance(value, bool) and math.isfinite(value) and 0.0 <= value <= 1.0:
        return None
    return f"confidence: is {value!r}; it must be a number from 0 to 1"


def _instant_problem(field: str, value: object) -> str | None:
    aware = isinstance(value, datetime) and value.tzinfo is not None and value.utcoffset() is not None
    return None if aware else f"{field}: must be an aware datetime"


def _stop_problem(intent: OrderIntent) -> str | None:
    entry = intent.price if intent.price is not None else intent.ref_price
    if intent.stop_price is None or entry is None:
        return None
    protects = intent.stop_price < entry if intent.side is Side.BUY else intent.stop_price > entry
    if protects:
        return None
    return f"stop_price: {intent.stop_price} does not protect a {intent.side} at {entry}; it must be on the losing side"


def _symbol_problem(intent: OrderIntent, facts: GuardFacts) -> str | None:
    if facts.rules is None:
        return f"symbol: the venue's rules of {intent.symbol} are not known"
    if facts.rules.symbol != intent.symbol:
        return f"symbol: the rules given are those of {facts.rules.symbol}, not of {intent.symbol}"
    return None
