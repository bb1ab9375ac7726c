"""How far something has fallen from its high."""

from __future__ import annotations

_DECIMALS = 9


def fall_pct(high: float, now: float) -> float:
    """Returns the fall from `high`, above 0, to `now`, in percent of `high`; 0 when `now` is not below it.

    Rounded at the ninth decimal: binary fractions put a fall of exactly a tenth a hair below 10 %, and a fall that
    reaches a line must not stay short of it.
    """
    return round(max(high - now, 0.0) / high * 100.0, _DECIMALS)
