"""The venue's filters: what it would refuse, said before it is asked. Pure, exact, in Decimal."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Context, Decimal
from enum import StrEnum
from typing import Final

from msc_client.facts import Side
from msc_trading.venue.port import OrderType, SymbolRules

# Wide enough for every product of two numbers that trading uses: nothing here may round.
EXACT: Final = Context(prec=80)
_FLOOR: Final = Context(prec=80, rounding=ROUND_FLOOR)
_CLIENT_ORDER_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,36}")
_GRIDS_AGREE_WITHIN: Final = 8


class FilterCode(StrEnum):
    """Which filter an order breaks."""

    PRICE_RANGE = "FILTER_PRICE_RANGE"
    TICK_SIZE = "FILTER_TICK_SIZE"
    LOT_SIZE = "FILTER_LOT_SIZE"
    STEP_SIZE = "FILTER_STEP_SIZE"
    MARKET_LOT_SIZE = "FILTER_MARKET_LOT_SIZE"
    MIN_NOTIONAL = "FILTER_MIN_NOTIONAL"
    PERCENT_PRICE = "FILTER_PERCENT_PRICE"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterBreach:
    """A broken filter: what the order has, and what the venue wants."""

    code: FilterCode
    value: Decimal
    limit: Decimal
    text: str


def plain(value: Decimal) -> str:
    """Returns the number as the venue reads it: digits and a point, never an exponent."""
    return format(value, "f")


def is_client_order_id(text: str) -> bool:
    """Tells whether the venue takes this as an order's id: A-Z a-z 0-9 _ - only, 1 to 36 characters.

    Others that it documents (`:` `/` `.`) are signed in one form and sent in another, so their signature is refused.
    """
    return _CLIENT_ORDER_ID.fullmatch(text) is not None


def round_down_quantity(quantity: Decimal, rules: SymbolRules, order_type: OrderType) -> Decimal:
    """Returns the greatest quantity not above this one that the lot filters take, 0 when there is none."""
    for _ in range(_GRIDS_AGREE_WITHIN):
        rounded = _floor(quantity, rules.step_size, rules.min_quantity, rules.max_quantity)
        if order_type is OrderType.MARKET:
            step, least, most = rules.market_step_size, rules.market_min_quantity, rules.market_max_quantity
            rounded = _floor(rounded, step, least, most)
        if rounded == quantity:
            return rounded
        quantity = rounded
    return Decimal(0)


def round_to_tick(price: Decimal, rules: SymbolRules, *, up: bool) -> Decimal:
    """Returns the nearest price on the tick not below (`up`) or not above this one."""
    if rules.tick_size == 0:
        return price
    offset = EXACT.subtract(price, rules.min_price)
    steps = _FLOOR.to_integral_value(_FLOOR.divide(offset, rules.tick_size))
    below = EXACT.add(rules.min_price, EXACT.multiply(steps, rules.tick_size))
    return EXACT.add(below, rules.tick_size) if up and below != price else below


def quantity_breach(quantity: Decimal, rules: SymbolRules, order_type: OrderType) -> FilterBreach | None:
    """Returns the lot filter that a quantity breaks."""
    if _off_lot(quantity, rules.step_size, rules.min_quantity, rules.max_quantity):
        outside = _outside(quantity, rules.min_quantity, rules.max_quantity)
        code = FilterCode.LOT_SIZE if outside else FilterCode.STEP_SIZE
        return _lot_breach(code, quantity, rules.step_size, rules.min_quantity, rules.max_quantity)
    if order_type is not OrderType.MARKET:
        return None
    step, least, most = rules.market_step_size, rules.market_min_quantity, rules.market_max_quantity
    if _off_lot(quantity, step, least, most):
        return _lot_breach(FilterCode.MARKET_LOT_SIZE, quantity, step, least, most)
    return None


def price_breach(price: Decimal, rules: SymbolRules) -> FilterBreach | None:
    """Returns the price filter that a limit or stop price breaks: range, or tick counted from the lowest price."""
    if _outside(price, rules.min_price, rules.max_price):
        limit = rules.min_price if price < rules.min_price else rules.max_price
        text = f"price {plain(price)} is outside {plain(rules.min_price)} to {plain(rules.max_price)}"
        return FilterBreach(code=FilterCode.PRICE_RANGE, value=price, limit=limit, text=text)
    if _off_grid(price, rules.min_price, rules.tick_size):
        text = f"price {plain(price)} is not on the tick of {plain(rules.tick_size)}"
        return FilterBreach(code=FilterCode.TICK_SIZE, value=price, limit=rules.tick_size, text=text)
    return None


def percent_price_breach(side: Side, price: Decimal, mark_price: Decimal, rules: SymbolRules) -> FilterBreach | None:
    """Returns the breach when a limit price is too far on the side that would fill at once."""
    buying = side is Side.BUY
    limit = EXACT.multiply(mark_price, rules.multiplier_up if buying else rules.multiplier_down)
    if price <= limit if buying else price >= limit:
        return None
    side_of = "above" if buying else "below"
    text = f"price {plain(price)} is {side_of} {plain(limit)}, from a mark of {plain(mark_price)}"
    return FilterBreach(code=FilterCode.PERCENT_PRICE, value=price, limit=limit, text=text)


def notional_breach(notional: Decimal, rules: SymbolRules) -> FilterBreach | None:
    """Returns the breach when an entry is worth less than the venue takes. Reductions are exempt."""
    if notional >= rules.min_notional:
        return None
    text = f"notional {plain(notional)} is below {plain(rules.min_notional)}"
    return FilterBreach(code=FilterCode.MIN_NOTIONAL, value=notional, limit=rules.min_notional, text=text)


def _floor(quantity: Decimal, step: Decimal, least: Decimal, most: Decimal) -> Decimal:
    if most:
        quantity = min(quantity, most)
    if quantity < least or quantity <= 0:
        return Decimal(0)
    if step == 0:
        return quantity
    # Built up from the grid, not cut down from the quantity: that would keep every decimal place it came with.
    steps = EXACT.divide_int(EXACT.subtract(quantity, least), step)
    return EXACT.add(least, EXACT.multiply(steps, step))


def _off_lot(quantity: Decimal, step: Decimal, least: Decimal, most: Decimal) -> bool:
    return _outside(quantity, least, most) or _off_grid(quantity, least, step)


def _outside(value: Decimal, least: Decimal, most: Decimal) -> bool:
    return value < least or (bool(most) and value > most)


def _lot_breach(code: FilterCode, quantity: Decimal, step: Decimal, least: Decimal, most: Decimal) -> FilterBreach:
    if not _outside(quantity, least, most):
        text = f"quantity {plain(quantity)} is not on the step of {plain(step)}"
        return FilterBreach(code=code, value=quantity, limit=step, text=text)
    text = f"quantity {plain(quantity)} is outside {plain(least)} to {plain(most)}"
    return FilterBreach(code=code, value=quantity, limit=least if quantity < least else most, text=text)


def _off_grid(value: Decimal, origin: Decimal, step: Decimal) -> bool:
    # A step of 0 is how the venue says that the filter is off.
    return bool(step) and EXACT.remainder(EXACT.subtract(value, origin), step) != 0
