"""Risk-adjusted returns of the daily equity curve, a year being 365 days: crypto markets never close."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from msc_authority.core.equity import DayClose
from msc_authority.core.metrics_trend import Trend, theil_sen

_DAYS_A_YEAR = 365.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyRatios:
    """Annualised ratios, risk-free rate 0. None: undefined, or too few days."""

    sharpe: float | None = None
    sortino: float | None = None
    calmar: float | None = None
    days: int = 0


def daily_ratios(closes: Sequence[DayClose], *, min_days: int) -> DailyRatios:
    """Returns the ratios of daily returns between neighbouring days, from `min_days` returns on.

    Sharpe: mean / standard deviation (n − 1) × √365; W. F. Sharpe, "The Sharpe Ratio", J. Portfolio Management (1994).
    Sortino: mean / root mean square of the negative returns over all days × √365; F. A. Sortino and L. N. Price,
    J. Investing (1994). Calmar: compound annual growth / greatest relative drawdown; T. W. Young, Futures (1991).
    """
    returns = _daily_returns(closes)
    if len(returns) < min_days or any(close.nav <= 0.0 for close in closes):
        return DailyRatios(days=len(returns))
    mean = math.fsum(returns) / len(returns)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in returns) / (len(returns) - 1))
    downside = math.sqrt(math.fsum(min(value, 0.0) ** 2 for value in returns) / len(returns))
    year = math.sqrt(_DAYS_A_YEAR)
    return DailyRatios(
        sharpe=mean / deviation * year if deviation > 0.0 else None,
        sortino=mean / downside * year if downside > 0.0 else None,
        calmar=_calmar(closes),
        days=len(returns),
    )


def equity_slope(closes: Sequence[DayClose], *, today: int, window_d: int, min_days: int) -> Trend | None:
    """Returns the trend of NAV in percent per day over the `window_d` completed UTC days before `today`.

    Completed days only: the value changes once a day and is calm in between. None below `min_days` days, or where
    a NAV is not positive.
    """
    recent = [close for close in closes if today - window_d <= close.day < today]
    if len(recent) < min_days or any(close.nav <= 0.0 for close in recent):
        return None
    trend = theil_sen([float(close.day) for close in recent], [math.log(close.nav) for close in recent])
    if trend is None:
        return None
    return Trend(slope=_as_pct(trend.slope), low=_as_pct(trend.low), high=_as_pct(trend.high))


def _as_pct(log_slope: float) -> float:
    # A log slope beyond this is no market; the bound keeps the number finite.
    return 100.0 * math.expm1(min(log_slope, 50.0))


def _daily_returns(closes: Sequence[DayClose]) -> list[float]:
    neighbours = ((before, after) for before, after in pairwise(closes) if after.day - before.day == 1)
    return [after.nav / before.nav - 1.0 for before, after in neighbours if before.nav > 0.0]


def _calmar(closes: Sequence[DayClose]) -> float | None:
    first, last = closes[0], closes[-1]
    years = (last.day - first.day) / _DAYS_A_YEAR
    fall = _greatest_fall(closes)
    growth = math.log(last.nav / first.nav) / years
    # Growth that doubles more than seven hundred times a year has no ratio worth a number.
    return math.expm1(growth) / fall if fall > 0.0 and growth < 500.0 else None


def _greatest_fall(closes: Sequence[DayClose]) -> float:
    high = fall = 0.0
    for close in closes:
        high = max(high, close.nav)
        fall = max(fall, (high - close.nav) / high)
    return fall
