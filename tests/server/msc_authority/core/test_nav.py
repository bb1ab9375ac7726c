"""Unitised NAV: performance moves it, flows do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_authority.core.nav import UnitisedNav

FLOWS = st.floats(-900, 100_000).filter(lambda flow: abs(flow) > 1e-3)


def a_nav(*totals: float) -> UnitisedNav:
    nav = UnitisedNav()
    for total in totals:
        nav.price(total, 0.0)
    return nav


def test_the_first_positive_total_buys_units_at_one() -> None:
    assert a_nav(0.0).value == 0.0
    assert a_nav(0.0, 2_000.0).value == 1.0


def test_a_gain_of_ten_percent_raises_the_nav_by_ten_percent() -> None:
    assert a_nav(1_000.0, 1_100.0).value == pytest.approx(1.1)


@given(FLOWS)
def test_a_flow_alone_leaves_the_nav_where_it_was(flow: float) -> None:
    nav = a_nav(1_200.0, 1_000.0)
    before = nav.value
    assert nav.price(1_000.0 + flow, flow) == pytest.approx(before, rel=1e-9)


@given(FLOWS, st.floats(0.5, 1.5))
def test_performance_after_a_flow_counts_on_the_new_capital(flow: float, growth: float) -> None:
    nav = a_nav(1_000.0)
    nav.price(1_000.0 + flow, flow)
    assert nav.price((1_000.0 + flow) * growth, 0.0) == pytest.approx(growth, rel=1e-9)


def test_a_loss_between_readings_shows_although_a_deposit_covers_it() -> None:
    nav = a_nav(1_000.0)
    assert nav.price(1_400.0, 500.0) == pytest.approx(0.9)


def test_taking_everything_out_and_funding_again_goes_on_at_the_old_nav() -> None:
    nav = a_nav(1_000.0, 800.0)
    assert nav.price(0.0, -800.0) == pytest.approx(0.8)
    assert nav.price(5_000.0, 5_000.0) == pytest.approx(0.8)
    assert nav.price(5_500.0, 0.0) == pytest.approx(0.88)


def test_dust_left_behind_does_not_turn_a_new_funding_into_a_loss() -> None:
    nav = a_nav(1_000.0, 800.0)
    nav.price(1e-7, -800.0 + 1e-7)
    assert nav.price(5_000.0, 5_000.0) == pytest.approx(0.8, rel=1e-3)


@pytest.mark.parametrize("left", [0.0, -50.0])
def test_capital_that_is_gone_is_not_cured_by_a_deposit(left: float) -> None:
    nav = a_nav(1_000.0)
    assert nav.price(left, 0.0) <= 0.0
    assert 0.0 < nav.price(2_000.0 + left, 2_000.0) < 1e-3
    assert nav.peak == 1.0


def test_a_total_below_zero_after_a_withdrawal_is_no_positive_nav() -> None:
    nav = a_nav(1_000.0)
    assert nav.price(-100.0, -1_050.0) == 0.0


def test_a_total_below_zero_without_a_flow_is_a_negative_nav() -> None:
    assert a_nav(1_000.0, -100.0).value == pytest.approx(-0.1)


def test_a_restated_total_keeps_the_nav() -> None:
    nav = a_nav(1_000.0, 900.0)
    assert nav.restate(4_000.0) == pytest.approx(0.9)
    assert nav.price(4_400.0, 0.0) == pytest.approx(0.99)


@given(st.lists(st.tuples(st.floats(-1_000, 5_000), st.floats(-2_000, 2_000)), max_size=20))
def test_stored_units_are_the_same_units(readings: list[tuple[float, float]]) -> None:
    nav = UnitisedNav()
    for total, flow in readings:
        nav.price(total, flow)
    assert UnitisedNav.decode(nav.encode()).encode() == nav.encode()
