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
    lots = _lots(rules, order_type)
    for _ in range(_GRIDS_AGREE_WITHIN):
        rounded = quantity
        for lot in lots:
            rounded = lot.floor(rounded)
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
    for lot in _lots(rules, order_type):
        breach = lot.breach(quantity)
        if breach is not None:
            return breach
    return None


def price_breach(price: Decimal, rules: SymbolRules) -> FilterBreach | None:
    """Returns the price filter that a limit or stop price breaks: range, or tick counted from the lowest price."""
    if price < rules.min_price or (rules.max_price and price > rules.max_price):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lot:
    size_code: FilterCode
    step_code: FilterCode
    step: Decimal
    minimum: Decimal
    maximum: Decimal

    def floor(self, quantity: Decimal) -> Decimal:
        if self.maximum:
            quantity = min(quantity, self.maximum)
        if quantity < self.minimum or quantity <= 0:
            return Decimal(0)
        if self.step == 0:
            return quantity
        # Built up from the grid, not cut down from the quantity: that would keep every decimal place it came with.
        steps = EXACT.divide_int(EXACT.subtract(quantity, self.minimum), self.step)
        return EXACT.add(self.minimum, EXACT.multiply(steps, self.step))

    def breach(self, quantity: Decimal) -> FilterBreach | None:
        if quantity < self.minimum or (self.maximum and quantity > self.maximum):
            limit = self.minimum if quantity < self.minimum else self.maximum
            text = f"quantity {plain(quantity)} is outside {plain(self.minimum)} to {plain(self.maximum)}"
            return FilterBreach(code=self.size_code, value=quantity, limit=limit, text=text)
        if _off_grid(quantity, self.minimum, self.step):
            text = f"quantity {plain(quantity)} is not on the step of {plain(self.step)}"
            return FilterBreach(code=self.step_code, value=quantity, limit=self.step, text=text)
        return None


def _lots(rules: SymbolRules, order_type: OrderType) -> tuple[_Lot, ...]:
    lot = _Lot(
        size_code=FilterCode.LOT_SIZE,
        step_code=FilterCode.STEP_SIZE,
        step=rules.step_size,
        minimum=rules.min_quantity,
        maximum=rules.max_quantity,
    )
    if order_type is not OrderType.MARKET:
        return (lot,)
    market = _Lot(
        size_code=FilterCode.MARKET_LOT_SIZE,
        step_code=FilterCode.MARKET_LOT_SIZE,
        step=rules.market_step_size,
        minimum=rules.market_min_quantity,
        maximum=rules.market_max_quantity,
    )
    return (lot, market)


def _off_grid(value: Decimal, origin: Decimal, step: Decimal) -> bool:
    # A step of 0 is how the venue says that the filter is off.
    return bool(step) and EXACT.remainder(EXACT.subtract(value, origin), step) != 0
