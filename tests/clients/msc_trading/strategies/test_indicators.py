from __future__ import annotations

import itertools
import math
from datetime import UTC, datetime
from decimal import Decimal
from statistics import fmean, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_trading.market import MINUTE, Candle
from msc_trading.strategies.indicators import Extremes, Path, TrueRange, Window, price_of, units

COUNTS = st.lists(st.integers(1, 10**14), min_size=1, max_size=60)
SIZES = st.integers(1, 12)
PRICES = st.lists(st.tuples(st.integers(50, 150), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=40)


def bars(prices: list[tuple[int, int, int]]) -> list[Candle]:
    """Bars from close, and how far the high and the low are from it."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        Candle(
            symbol="BTCUSDT",
            open_time=start + number * MINUTE,
            open=Decimal(close),
            high=Decimal(close + up),
            low=Decimal(close - down),
            close=Decimal(close),
            volume=Decimal(1),
        )
        for number, (close, up, down) in enumerate(prices)
    ]


@given(values=COUNTS, size=SIZES)
def test_a_window_measures_exactly_its_last_values(values: list[int], size: int) -> None:
    window = Window(size)
    for value in values:
        window.add(value)
    last = values[-size:]
    assert window.total == sum(last)
    assert window.oldest == last[0]
    assert window.is_full is (len(values) >= size)
    assert window.mean == pytest.approx(fmean(last), rel=1e-12)
    assert window.deviation == pytest.approx(pstdev(last), rel=1e-9, abs=1e-3)


@given(before=COUNTS, values=COUNTS, size=SIZES)
def test_what_has_left_a_window_leaves_nothing_behind(before: list[int], values: list[int], size: int) -> None:
    old, new = Window(size), Window(size)
    for value in before:
        old.add(value)
    for value in [*values, *[7] * size]:
        old.add(value)
        new.add(value)
    assert (old.mean, old.deviation, old.total) == (new.mean, new.deviation, new.total)


@given(prices=PRICES, size=SIZES)
def test_the_true_range_counts_gaps_between_bars(prices: list[tuple[int, int, int]], size: int) -> None:
    true_range, made = TrueRange(size), bars(prices)
    for bar in made:
        true_range.add(bar)
    ranges = [
        max(later.high, earlier.close) - min(later.low, earlier.close) for earlier, later in itertools.pairwise(made)
    ][-size:]
    if len(ranges) < size or not sum(ranges):
        assert true_range.mean is None
    else:
        assert true_range.mean == pytest.approx(units(sum(ranges, Decimal(0))) / size)


@given(closes=COUNTS, size=SIZES)
def test_a_path_knows_how_far_it_led_and_how_straight(closes: list[int], size: int) -> None:
    path = Path(size)
    for close in closes:
        path.add(close)
    last = closes[-size - 1 :]
    length = sum(abs(later - earlier) for earlier, later in itertools.pairwise(last))
    assert path.is_full is (len(closes) > size)
    assert path.distance == last[-1] - last[0]
    assert path.efficiency == (abs(path.distance) / length if length else 0.0)
    assert 0.0 <= path.efficiency <= 1.0


@given(prices=PRICES, size=SIZES)
def test_extremes_are_those_of_the_last_bars(prices: list[tuple[int, int, int]], size: int) -> None:
    extremes, made = Extremes(size), bars(prices)
    for bar in made:
        extremes.add(bar)
    last = made[-size:]
    assert extremes.high == units(max(bar.high for bar in last))
    assert extremes.low == units(min(bar.low for bar in last))
    assert extremes.is_full is (len(made) >= size)


@pytest.mark.parametrize("price", ["46377.0", "0.00000123", "91500"])
def test_a_price_survives_being_counted(price: str) -> None:
    assert price_of(units(Decimal(price))) == Decimal(price)


def test_nothing_that_moves_has_no_range_and_no_direction() -> None:
    true_range, path = TrueRange(3), Path(3)
    for bar in bars([(100, 0, 0)] * 10):
        true_range.add(bar)
        path.add(units(bar.close))
    assert true_range.mean is None
    assert path.efficiency == 0.0
    assert not math.isnan(path.efficiency)
