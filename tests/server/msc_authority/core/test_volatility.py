"""Volatility of NAV returns."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from msc_core_builders import DAY, HOUR, T0

from msc_authority.core.volatility import VolatilityTracker

HALF_LIFE_S = 72 * 3600.0


def a_tracker(*navs: float, every: timedelta = HOUR) -> VolatilityTracker:
    tracker = VolatilityTracker(HALF_LIFE_S)
    for number, nav in enumerate(navs):
        tracker.close_bar(nav, T0 + number * every)
    return tracker


def test_volatility_is_unknown_before_the_first_return() -> None:
    assert a_tracker().per_root_day() is None
    assert a_tracker(1.0).per_root_day() is None


def test_one_percent_an_hour_is_one_percent_times_the_root_of_24_a_day() -> None:
    navs = [1.01 ** (number % 2) for number in range(50)]
    assert a_tracker(*navs).per_root_day() == pytest.approx(math.log(1.01) * math.sqrt(24))


def test_one_return_weighs_the_same_however_long_it_took_to_come() -> None:
    assert a_tracker(1.0, 1.01, every=DAY).per_root_day() == pytest.approx(math.log(1.01))


def test_old_returns_weigh_half_after_a_half_life() -> None:
    half_life = timedelta(seconds=HALF_LIFE_S)
    tracker = a_tracker(1.0, 1.1, 1.1, every=half_life)
    # Weights 1/4 and 1/2, rates r²/Δt and 0.
    rate = math.log(1.1) ** 2 / HALF_LIFE_S
    assert tracker.per_root_day() == pytest.approx(math.sqrt(rate * 0.25 / 0.75 * 86_400))


def test_a_nav_that_is_not_positive_gives_no_return() -> None:
    tracker = a_tracker(1.0, 0.0, -1.0, 1.0)
    assert tracker.points == 0
    assert tracker.per_root_day() is None


def test_a_copy_goes_its_own_way() -> None:
    tracker = a_tracker(1.0, 1.01)
    before = tracker.encode()
    tracker.copy().close_bar(1.2, T0 + DAY)
    assert tracker.encode() == before
    assert VolatilityTracker.decode(before, HALF_LIFE_S).encode() == before
