"""Decimals in the one form that facts are written in, so that the same fact is always the same text."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final, TypeGuard

_PLACES: Final = Decimal("1e-12")
_EXACT: Final = Context(prec=80, rounding=ROUND_HALF_EVEN)


def canonical(number: Decimal) -> Decimal:
    """Returns the number with at most 12 decimal places, no trailing zeros and no exponent."""
    rounded = _EXACT.quantize(number, _PLACES).normalize(_EXACT)
    if rounded == 0:
        return Decimal(0)
    exponent = rounded.as_tuple().exponent
    return rounded.quantize(Decimal(1)) if isinstance(exponent, int) and exponent > 0 else rounded


def ratio(number: Decimal, by: Decimal) -> Decimal:
    """Returns the quotient, wide enough that rounding it to 12 places is the only rounding."""
    return _EXACT.divide(number, by)


def is_fraction(value: object) -> TypeGuard[float | int]:
    """Tells whether this is a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, float | int):
        return False
    return math.isfinite(value) and 0.0 <= value <= 1.0
