"""The equity curve: what is a drawdown and what is none."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_core_builders import CONFIG, DAY, HOUR, MINUTE, T0

from msc_authority.core.equity import EquityCurve, EquityReading

TOTALS = st.lists(st.floats(1, 10_000), min_size=1, max_size=50)


def a_curve(*readings: tuple[datetime, float, float]) -> EquityCurve:
    curve = EquityCurve(CONFIG.equity)
    for at, total, flow in readings:
        curve.observe(at, total, flow)
    return curve


def read(curve: EquityCurve, as_of: datetime = T0 + 400 * DAY) -> EquityReading:
    reading = curve.settled().reading(as_of)
    assert reading is not None
    return reading


def totals(*values: float, every: timedelta = 15 * MINUTE, start: datetime = T0) -> EquityCurve:
    return a_curve(*((start + number * every, value, 0.0) for number, value in enumerate(values)))


def test_before_the_first_reading_there_is_nothing_to_read() -> None:
    curve = EquityCurve(CONFIG.equity)
    assert curve.settled().reading(T0) is None
    assert curve.settled().highest_after(T0) is None
    assert not curve.started


def test_the_drawdown_is_measured_from_the_high_water_mark_in_percent() -> None:
    reading = read(totals(1_000.0, 1_250.0, 1_200.0))
    assert reading.drawdown_pct == pytest.approx(4.0)
    assert (reading.nav, reading.high_nav, reading.equity) == (1.2, 1.25, 1_200.0)


@given(TOTALS)
def test_within_the_window_it_is_the_drawdown_from_the_running_maximum(values: list[float]) -> None:
    reading = read(totals(*values))
    assert reading.drawdown_pct == pytest.approx((1 - values[-1] / max(values)) * 100, abs=1e-9)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50))
def test_a_monotone_rise_has_no_drawdown_at_all(steps: list[float]) -> None:
    curve, total = EquityCurve(CONFIG.equity), 1_000.0
    for number, step in enumerate(steps):
        total += step
        curve.observe(T0 + number * HOUR, total, 0.0)
    reading = read(curve)
    assert (reading.drawdown_pct, reading.max_drawdown_pct, reading.max_drawdown_money) == (0.0, 0.0, 0.0)


@given(TOTALS, st.floats(-0.9, 10).filter(lambda share: abs(share) > 1e-3))
def test_neither_deposit_nor_withdrawal_moves_the_drawdown(values: list[float], share: float) -> None:
    before = read(totals(*values)).drawdown_pct
    curve, flow = totals(*values), values[-1] * share
    curve.observe(T0 + DAY, values[-1] + flow, flow)
    assert read(curve).drawdown_pct == pytest.approx(before, abs=1e-6)


def test_readings_of_one_instant_are_netted_before_they_can_be_a_peak() -> None:
    curve = a_curve((T0, 1_000.0, 0.0), (T0 + HOUR, 5_000.0, 0.0), (T0 + HOUR, 1_000.0, 0.0))
    reading = read(curve)
    assert (reading.drawdown_pct, reading.max_drawdown_pct, reading.readings) == (0.0, 0.0, 2)


def test_the_newest_instant_counts_although_it_may_still_change() -> None:
    curve = totals(1_000.0, 900.0)
    before = curve.encode()
    assert read(curve).drawdown_pct == pytest.approx(10.0)
    assert curve.encode() == before


def test_a_peak_leaves_the_window_after_thirty_days() -> None:
    inside = a_curve((T0, 1_000.0, 0.0), (T0 + MINUTE, 900.0, 0.0), (T0 + 30 * DAY, 900.0, 0.0))
    outside = a_curve((T0, 1_000.0, 0.0), (T0 + MINUTE, 900.0, 0.0), (T0 + 30 * DAY + HOUR, 900.0, 0.0))
    assert read(inside).drawdown_pct == pytest.approx(10.0)
    assert read(outside).drawdown_pct == 100 * 0.0


def test_time_alone_cures_no_drawdown() -> None:
    curve = totals(1_000.0, 900.0)
    assert read(curve, T0 + 300 * DAY).drawdown_pct == pytest.approx(10.0)


def test_the_greatest_drawdowns_in_percent_and_in_money_can_be_different_ones() -> None:
    curve = a_curve(
        (T0, 1_000.0, 0.0),
        (T0 + HOUR, 800.0, 0.0),  # 20 % of little money: 200
        (T0 + 2 * HOUR, 1_000.0, 0.0),
        (T0 + 3 * HOUR, 100_000.0, 99_000.0),
        (T0 + 4 * HOUR, 95_000.0, 0.0),  # 5 % of much money: 5000
        (T0 + 5 * HOUR, 101_000.0, 0.0),
    )
    reading = read(curve)
    assert reading.drawdown_pct == 0.0
    assert reading.max_drawdown_pct == pytest.approx(20.0)
    assert reading.max_drawdown_money == pytest.approx(5_000.0)


def test_greatest_drawdowns_leave_the_window_too() -> None:
    readings = [(T0, 1_000.0, 0.0), (T0 + HOUR, 800.0, 0.0)]
    readings += [(T0 + number * DAY, 1_000.0, 0.0) for number in range(1, 33)]
    assert read(a_curve(*readings)).max_drawdown_pct == 0.0


@pytest.mark.parametrize(("total", "flow"), [(math.nan, 0.0), (math.inf, 0.0), (900.0, math.nan)])
def test_a_reading_without_sense_makes_the_curve_invalid_until_the_next_one(total: float, flow: float) -> None:
    curve = a_curve((T0, 1_000.0, 0.0), (T0 + HOUR, 900.0, 0.0), (T0 + 2 * HOUR, total, flow))
    assert not read(curve).valid
    assert read(curve).drawdown_pct == pytest.approx(10.0)
    curve.observe(T0 + 3 * HOUR, 900.0, 0.0)
    assert read(curve).valid
    assert read(curve).drawdown_pct == pytest.approx(10.0)


def test_a_flow_told_with_a_reading_without_sense_is_not_forgotten() -> None:
    curve = a_curve((T0, 1_000.0, 0.0), (T0 + HOUR, math.nan, 500.0), (T0 + 2 * HOUR, 1_500.0, 0.0))
    assert read(curve).nav == pytest.approx(1.0)


def test_days_close_at_their_last_reading_and_today_is_not_closed() -> None:
    curve = totals(1_000.0, 1_100.0, 1_210.0, every=20 * HOUR)
    day = (T0 - datetime(1970, 1, 1, tzinfo=T0.tzinfo)).days
    as_of = T0 + 45 * HOUR
    assert [(close.day - day, close.nav) for close in read(curve, as_of).closes] == [(0, 1.1)]
    assert [close.day - day for close in read(curve, as_of + DAY).closes] == [0, 1]


def test_closes_older_than_ninety_days_are_forgotten() -> None:
    curve = totals(*[1_000.0 + number for number in range(200)], every=DAY)
    assert len(read(curve, T0 + 199 * DAY).closes) == 90


def test_the_highest_nav_after_an_instant_is_that_of_later_readings() -> None:
    curve = totals(1_000.0, 1_300.0, 1_100.0, 1_200.0, 1_050.0, every=2 * HOUR).settled()
    assert curve.highest_after(T0 - HOUR) == 1.3
    assert curve.highest_after(T0 + 2 * HOUR) == 1.2
    assert curve.highest_after(T0 + 6 * HOUR) == 1.05
    assert curve.highest_after(T0 + 8 * HOUR) is None


def calm_days(days: int) -> list[float]:
    return [1_000.0 + (hour % 2) for hour in range(days * 24)]


def test_volatility_is_compared_with_its_own_median() -> None:
    ratio = read(totals(*calm_days(20), every=HOUR)).volatility_ratio
    assert ratio == pytest.approx(1.0, abs=0.01)


def test_returns_five_times_as_large_for_a_week_are_extreme() -> None:
    wild = [1_000.0 + 5 * (hour % 2) for hour in range(7 * 24)]
    ratio = read(totals(*calm_days(40), *wild, every=HOUR)).volatility_ratio
    assert ratio is not None
    assert ratio > 2.5


@pytest.mark.parametrize("hours", [24, 5 * 24])
def test_volatility_is_unknown_with_few_points_or_few_days(hours: int) -> None:
    assert read(totals(*calm_days(5)[:hours], every=HOUR)).volatility_ratio is None


def test_a_curve_that_never_moved_has_no_volatility_to_compare_with() -> None:
    assert read(totals(*[1_000.0] * 480, every=HOUR)).volatility_ratio is None
