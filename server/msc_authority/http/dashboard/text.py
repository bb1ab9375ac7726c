"""How numbers, spans and instants read on the page. Unknown is a word, never a zero."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

UNKNOWN = "unknown"
MINUS = "−"

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def number(value: float | Decimal | None, digits: int = 2) -> str:
    """A number with thousands apart and a true minus."""
    return UNKNOWN if value is None else f"{_without_minus_zero(value, digits):,.{digits}f}".replace("-", MINUS)


def signed(value: float | Decimal | None, digits: int = 2) -> str:
    """A number with its sign; zero has none."""
    if value is None:
        return UNKNOWN
    shown = number(value, digits)
    return f"+{shown}" if _without_minus_zero(value, digits) > 0 else shown


def percent(fraction: float | None, digits: int = 1) -> str:
    """A fraction as percent."""
    return UNKNOWN if fraction is None else f"{number(fraction * 100, digits)} %"


def short_percent(fraction: float) -> str:
    """A fraction as percent, without zeros that say nothing: 0.0075 is `0.75 %`."""
    return f"{round(fraction * 100, 6):g} %".replace("-", MINUS)


def span(seconds: float) -> str:
    """A length of time in its two greatest units, coarse enough to be read at a glance."""
    whole = max(0, int(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min"
    if whole < _DAY:
        return _two(whole // _HOUR, "h", whole % _HOUR // _MINUTE, "min")
    return _two(whole // _DAY, "d", whole % _DAY // _HOUR, "h")


def calm_span(seconds: float) -> str:
    """A length of time that changes at most once a minute."""
    return "less than 1 min" if seconds < _MINUTE else span(seconds)


def day_and_time(at: datetime) -> str:
    """An instant by day and minute, UTC."""
    return f"{at.day} {at:%b %H:%M}"


def clock_time(at: datetime) -> str:
    """An instant by its second, UTC."""
    return f"{at:%H:%M:%S}"


def iso(at: datetime) -> str:
    """An instant for machines."""
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def plural(count: int, one: str, many: str = "") -> str:
    """A count with its noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def words(code: str) -> str:
    """A code as words: `STRATEGY_NOT_ALLOWED` is `strategy not allowed`."""
    return code.replace("_", " ").lower()


def _two(great: int, of_great: str, small: int, of_small: str) -> str:
    return f"{great} {of_great}" + (f" {small} {of_small}" if small else "")


def _without_minus_zero(value: float | Decimal, digits: int) -> float | Decimal:
    if isinstance(value, Decimal):
        exact = round(value, digits)
        return abs(exact) if exact == 0 else exact
    rounded = round(float(value), digits)
    return abs(rounded) if rounded == 0 else rounded
