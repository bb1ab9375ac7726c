"""The Theil–Sen slope, against the reference implementation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import theilslopes

from msc_authority.core.metrics_trend import theil_sen

POINTS = st.tuples(st.integers(0, 20), st.integers(-8, 8).map(lambda tenth: tenth / 10))


@given(st.lists(POINTS, min_size=2, max_size=12, unique_by=lambda point: point[0]))
def test_slope_and_interval_are_those_of_scipy_also_with_ties(points: list[tuple[int, float]]) -> None:
    xs, ys = [float(x) for x, _ in points], [y for _, y in points]
    trend = theil_sen(xs, ys)
    reference = theilslopes(ys, xs, alpha=0.95)
    assert trend is not None
    assert trend.slope == pytest.approx(float(reference.slope), abs=1e-12)
    assert trend.low == pytest.approx(float(reference.low_slope), abs=1e-12)
    assert trend.high == pytest.approx(float(reference.high_slope), abs=1e-12)


def test_one_outlier_does_not_move_the_slope() -> None:
    trend = theil_sen([0, 1, 2, 3, 4, 5, 6], [0.0, 1.0, 2.0, 30.0, 4.0, 5.0, 6.0])
    assert trend is not None
    assert trend.slope == pytest.approx(1.0)


def test_there_is_no_trend_without_two_different_instants() -> None:
    assert theil_sen([], []) is None
    assert theil_sen([1.0, 1.0], [0.0, 5.0]) is None


def test_many_ties_leave_the_interval_at_the_slope() -> None:
    trend = theil_sen([0, 0, 1], [0.0, 0.0, 0.0])
    assert trend is not None
    assert (trend.low, trend.slope, trend.high) == (0.0, 0.0, 0.0)
