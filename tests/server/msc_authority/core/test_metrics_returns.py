"""Ratios of daily returns and the equity slope, against numpy and numbers worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_authority.core.equity import DayClose
from msc_authority.core.metrics_returns import daily_ratios, equity_slope


def closes_of(navs: Sequence[float], first_day: int = 100) -> list[DayClose]:
    return [DayClose(day=first_day + number, nav=nav) for number, nav in enumerate(navs)]


@given(st.lists(st.floats(-0.05, 0.05).filter(lambda value: abs(value) > 1e-4), min_size=14, max_size=60, unique=True))
def test_the_ratios_are_those_of_numpy(returns: list[float]) -> None:
    navs = list(accumulate(returns, lambda nav, one: nav * (1 + one), initial=1.0))
    found, array = daily_ratios(closes_of(navs), min_days=14), np.diff(navs) / np.array(navs[:-1])
    assert found.days == len(returns)
    assert found.sharpe == pytest.approx(array.mean() / array.std(ddof=1) * math.sqrt(365), rel=1e-6)
    downside = math.sqrt(float(np.mean(np.minimum(array, 0.0) ** 2)))
    if downside > 0:
        assert found.sortino == pytest.approx(array.mean() / downside * math.sqrt(365), rel=1e-6)
        fall = float(np.max(1 - np.array(navs) / np.maximum.accumulate(navs)))
        growth = (navs[-1] / navs[0]) ** (365 / len(returns)) - 1
        assert found.calmar == pytest.approx(growth / fall, rel=1e-6)


def test_without_a_losing_day_sortino_and_calmar_are_unknown() -> None:
    found = daily_ratios(closes_of([1.0 + 0.01 * day * day for day in range(20)]), min_days=14)
    assert found.sharpe is not None
    assert found.sortino is None
    assert found.calmar is None


def test_a_flat_curve_has_no_ratio() -> None:
    found = daily_ratios(closes_of([1.0] * 20), min_days=14)
    assert (found.sharpe, found.sortino, found.calmar) == (None, None, None)


def test_too_few_days_and_gaps_between_days_give_no_ratio() -> None:
    gaps = [DayClose(day=2 * number, nav=1.0 + number % 2) for number in range(40)]
    assert daily_ratios(closes_of([1.0, 1.1, 1.0]), min_days=14).sharpe is None
    assert daily_ratios(gaps, min_days=14).days == 0
    assert daily_ratios([], min_days=14).sharpe is None


def test_a_nav_that_is_not_positive_gives_no_ratio_and_no_slope() -> None:
    navs = [1.0] * 10 + [0.0] + [1.0] * 10
    assert daily_ratios(closes_of(navs), min_days=14).sharpe is None
    assert equity_slope(closes_of(navs), today=121, window_d=21, min_days=5) is None


def test_a_curve_of_one_percent_a_day_has_that_slope() -> None:
    trend = equity_slope(closes_of([1.01**day for day in range(7)]), today=107, window_d=7, min_days=5)
    assert trend is not None
    assert trend.slope == pytest.approx(1.0)
    assert trend.low == pytest.approx(1.0)


def test_the_slope_looks_at_the_completed_days_of_its_window_only() -> None:
    closes = [*closes_of([9.0, 5.0], first_day=98), *closes_of([1.01**day for day in range(7)])]
    today = DayClose(day=107, nav=0.1)
    trend = equity_slope([*closes, today], today=107, window_d=7, min_days=5)
    assert trend is not None
    assert trend.slope == pytest.approx(1.0)


@pytest.mark.parametrize(("days", "known"), [(4, False), (5, True)])
def test_the_slope_needs_five_days(days: int, known: bool) -> None:
    trend = equity_slope(closes_of([1.0] * days), today=100 + days, window_d=7, min_days=5)
    assert (trend is not None) is known
