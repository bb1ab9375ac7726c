"""Pure checks of an order against the filters of its symbol, in the order in which the venue answers them."""

from __future__ import annotations

from decimal import Decimal

from msc_client import Side
from msc_trading.paper.config import SymbolSpec
from msc_trading.paper.engine import rejections as reason
from msc_trading.paper.engine.rejections import Rejected
from msc_trading.paper.engine.values import OrderType


def decimals(value: Decimal) -> int:
    """Returns how many places behind the point the value has, as written."""
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def check_quantity(spec: SymbolSpec, order_type: OrderType, quantity: Decimal) -> None:
    """Refuses a quantity outside LOT_SIZE, or MARKET_LOT_SIZE."""
    if order_type.value.endswith("MARKET"):
        low, high, step = spec.market_min_quantity, spec.market_max_quantity, spec.market_step_size
    else:
        low, high, step = spec.min_quantity, spec.max_quantity, spec.step_size
    if decimals(quantity) > spec.quantity_precision:
        raise Rejected(reason.BAD_PRECISION)
    if quantity <= 0:
        raise Rejected(reason.QUANTITY_TOO_SMALL)
    if quantity < low:
        raise Rejected(reason.QUANTITY_BELOW_MIN)
    if quantity > high:
        raise Rejected(reason.QUANTITY_ABOVE_MAX)
    if (quantity - low) % step:
        raise Rejected(reason.QUANTITY_OFF_STEP)


def check_price(spec: SymbolSpec, price: Decimal) -> None:
    """Refuses a price outside PRICE_FILTER."""
    if decimals(price) > spec.price_precision:
        raise Rejected(reason.BAD_PRECISION)
    if price <= 0:
        raise Rejected(reason.PRICE_NOT_POSITIVE)
    if price > spec.max_price:
        raise Rejected(reason.PRICE_ABOVE_MAX)
    if price < spec.min_price:
        raise Rejected(reason.PRICE_BELOW_MIN)
    if (price - spec.min_price) % spec.tick_size:
        raise Rejected(reason.PRICE_OFF_TICK)


def check_percent_price(spec: SymbolSpec, side: Side, price: Decimal, mark: Decimal) -> None:
    """Refuses a limit that is too far on the wrong side of the mark."""
    highest, lowest = mark * spec.multiplier_up, mark * spec.multiplier_down
    if side is Side.BUY and price > highest:
        raise Rejected(reason.PRICE_TOO_HIGH, limit=format(highest.normalize(), "f"))
    if side is Side.SELL and price < lowest:
        raise Rejected(reason.PRICE_TOO_LOW, limit=format(lowest.normalize(), "f"))


def check_notional(spec: SymbolSpec, quantity: Decimal, price: Decimal) -> None:
    """Refuses an order that is too small in money. Reducing orders are not asked."""
    if quantity * price < spec.min_notional:
        raise Rejected(reason.MIN_NOTIONAL, minimum=format(spec.min_notional.normalize(), "f"))


def check_position_side(position_side: str, hedge_mode: bool) -> None:
    """Refuses an order for the other position mode; hedge mode itself cannot trade here."""
    if (position_side == "BOTH") is hedge_mode:
        raise Rejected(reason.POSITION_SIDE_MISMATCH)
    if hedge_mode:
        raise Rejected(reason.UNSUPPORTED)
