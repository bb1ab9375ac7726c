"""A fall that reaches a line is on the line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_authority.core.drawdown import fall_pct


@pytest.mark.parametrize("percent", range(1, 100))
@pytest.mark.parametrize("high", [1.0, 3.0, 7.0, 999.9, 1000.0, 123_456.789])
def test_fall_of_exactly_so_many_percent_is_so_many_percent(high: float, percent: int) -> None:
    assert fall_pct(high, high * (100 - percent) / 100) == percent


def test_what_stands_at_its_high_or_above_has_not_fallen() -> None:
    assert fall_pct(100.0, 100.0) == fall_pct(100.0, 120.0) == 0.0


def test_what_is_lost_whole_has_fallen_by_a_hundred_percent_and_a_debt_by_more() -> None:
    assert fall_pct(50.0, 0.0) == 100.0
    assert fall_pct(50.0, -25.0) == 150.0


@given(
    st.floats(1e-6, 1e12),
    st.floats(0, 1e12),
    st.floats(0, 1e12),
)
def test_lower_is_never_a_smaller_fall(high: float, one: float, other: float) -> None:
    low, lower = max(one, other), min(one, other)

    assert fall_pct(high, lower) >= fall_pct(high, low)
