"""What an entry may lose: the guard's arithmetic, and the sizing that fits it exactly."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Context, Decimal
from typing import Final

from msc_trading.filters import EXACT

_DOWN: Final = Context(prec=28, rounding=ROUND_FLOOR)


def loss_at_stop(*, quantity: Decimal, entry: Decimal, stop: Decimal, fee_rate: Decimal) -> Decimal:
    """Returns what is lost when the stop is reached, in quote currency: the distance, and the fees of both sides."""
    return EXACT.multiply(quantity, _loss_per_unit(entry, stop, fee_rate))


def quantity_for(
    *, equity: Decimal, risk_fraction: Decimal, entry: Decimal, stop: Decimal, fee_rate: Decimal
) -> Decimal:
    """Returns the greatest quantity whose loss at the stop is not above `risk_fraction` of equity.

    Round it down to the venue's step: the guard then finds a risk that is equal to the cap, or below it.

    Raises:
        ValueError: the stop is at the entry and there are no fees, so that no quantity would be too much.
    """
    per_unit = _loss_per_unit(entry, stop, fee_rate)
    if per_unit <= 0:
        raise ValueError(f"stop: {stop} leaves no distance from the entry at {entry}")
    return _DOWN.divide(EXACT.multiply(equity, risk_fraction), per_unit)


def _loss_per_unit(entry: Decimal, stop: Decimal, fee_rate: Decimal) -> Decimal:
    fees = EXACT.multiply(EXACT.add(entry, stop), fee_rate)
    return EXACT.add(EXACT.subtract(entry, stop).copy_abs(), fees)
