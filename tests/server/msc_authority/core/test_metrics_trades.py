"""Statistics of closed trades, against numbers worked out by hand and by reference implementations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from msc_authority.core.metrics_trades import system_quality_number, trade_statistics, wilson_interval


def test_a_small_tape_gives_the_numbers_worked_out_by_hand() -> None:
    found = trade_statistics([100.0, -50.0, 0.0, 200.0, -50.0])
    assert (found.trades, found.wins, found.losses, found.decided) == (5, 2, 2, 4)
    assert found.winrate_fraction == 0.5
    assert found.expectancy == 40.0
    assert found.profit_factor == 3.0
    assert found.payoff_ratio == 3.0


def test_nothing_traded_leaves_everything_unknown() -> None:
    found = trade_statistics([])
    assert found.winrate_fraction is None
    assert found.expectancy is None
    assert found.profit_factor is None
    assert found.payoff_ratio is None
    assert found.sqn is None


def test_without_losses_the_profit_factor_is_unknown_not_a_large_number() -> None:
    found = trade_statistics([10.0, 20.0])
    assert found.winrate_fraction == 1.0
    assert found.profit_factor is None
    assert found.payoff_ratio is None


def test_without_wins_the_profit_factor_is_zero_and_the_payoff_unknown() -> None:
    found = trade_statistics([-10.0, -20.0])
    assert found.profit_factor == 0.0
    assert found.payoff_ratio is None


def test_results_of_zero_decide_nothing() -> None:
    found = trade_statistics([0.0, 0.0])
    assert found.decided == 0
    assert found.winrate_fraction is None
    assert found.expectancy == 0.0


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_the_one_of_wilson(case: tuple[int, int]) -> None:
    wins, trials = case
    reference = binomtest(wins, trials).proportion_ci(0.95, method="wilson")
    assert wilson_interval(wins / trials, trials) == pytest.approx((reference.low, reference.high), abs=1e-9)


def test_there_is_no_interval_without_trials() -> None:
    assert wilson_interval(0.5, 0) is None


@given(st.lists(st.floats(-1e4, 1e4), min_size=2, max_size=100))
def test_the_system_quality_number_is_root_n_times_mean_over_deviation(results: list[float]) -> None:
    deviation = float(np.std(results, ddof=1))
    found = system_quality_number(results)
    if found is None:
        assert deviation == pytest.approx(0.0, abs=1e-9)
    else:
        wanted = math.sqrt(len(results)) * float(np.mean(results)) / deviation
        assert found == pytest.approx(wanted, rel=1e-6, abs=1e-9)


def test_the_system_quality_number_stops_growing_at_a_hundred_trades() -> None:
    pattern = [1.0, -0.5]
    hundred, thousand = system_quality_number(pattern * 50), system_quality_number(pattern * 500)
    assert hundred is not None
    assert thousand == pytest.approx(hundred, rel=0.01)
