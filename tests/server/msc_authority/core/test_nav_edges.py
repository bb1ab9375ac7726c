"""Unitised NAV where there is little or nothing: dust, ruin, debt, and fresh money behind each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_authority.core.nav import UnitisedNav


def priced(*readings: tuple[float, float]) -> UnitisedNav:
    nav = UnitisedNav()
    for total, flow in readings:
        nav.price(total, flow)
    return nav


@pytest.mark.parametrize(
    ("readings", "value", "units"),
    [
        # Doubled, then lost to the last cent: what is funded again goes on at a millionth of the best.
        ([(1_000, 0), (2_000, 0), (0, 0), (500, 500)], 2e-6, 2.5e8),
        # The same with a debt in between.
        ([(1_000, 0), (2_000, 0), (-10, 0), (500, 510)], 2e-6, 2.5e8),
        # Money below nothing before anything was ever earned.
        ([(-10, 0)], 0.0, 0.0),
        ([(-10, 0), (100, 110)], 1.0, 100.0),
        # A cent is capital as well.
        ([(0.01, 0)], 1.0, 0.01),
        ([(0.01, 0), (0.02, 0)], 2.0, 0.01),
        # All of it taken out, at a gain: the value of a unit stays, its number is none.
        ([(1_000, 0), (1_500, 0), (0, -1_500)], 1.5, 0.0),
        ([(1_000, 0), (1_500, 0), (0, -1_500), (300, 300)], 1.5, 200.0),
        # All of it taken out, of which half had been lost just before.
        ([(1_000, 0), (0, -500)], 0.5, 0.0),
        # More than everything taken out: what is owed is no positive value.
        ([(1_000, 0), (-50, -1_000)], 0.0, 0.0),
        # Everything lost and a deposit on top in one reading: the loss is not hidden behind it.
        ([(1_000, 0), (400, 400)], 1e-6, 4e8),
        ([(1_000, 0), (300, 400)], 1e-6, 3e8),
    ],
)
def test_each_way_down_and_up_has_its_value_and_its_units(
    readings: list[tuple[float, float]], value: float, units: float
) -> None:
    nav = priced(*readings)

    assert nav.value == pytest.approx(value)
    assert nav.units == pytest.approx(units)
    assert nav.total == readings[-1][0]


@pytest.mark.parametrize(("flow", "value"), [(999_999_999.0, 0.5), (1_000_000_001.0, 1.0)])
def test_a_flow_of_a_million_times_the_capital_is_a_new_funding_and_a_smaller_one_a_flow(
    flow: float, value: float
) -> None:
    # Half of the thousand is lost behind the flow; behind a new funding nobody can tell.
    assert priced((1_000.0, 0.0), (500.0 + flow, flow)).value == pytest.approx(value, rel=1e-3)


@pytest.mark.parametrize("share", [1e-9, 0.5, 1.0, 10.0])
def test_the_peak_remembers_the_best_and_no_flow_raises_it(share: float) -> None:
    nav = priced((1_000.0, 0.0), (3_000.0, 0.0), (1_500.0, 0.0), (1_500.0 * (1 + share), 1_500.0 * share))

    assert nav.peak == 3.0
    assert nav.value == pytest.approx(1.5)


@given(st.floats(1, 1e6), st.floats(1e-3, 1e6), st.floats(1.001, 1e3))
def test_no_funding_however_great_brings_a_ruined_account_back_near_its_peak(
    capital: float, funding: float, growth: float
) -> None:
    nav = priced((capital, 0.0), (capital * growth, 0.0), (0.0, 0.0), (funding, funding))

    assert nav.value <= nav.peak * 1.000001e-6
    assert nav.value > 0.0
    assert nav.price(funding * 2, 0.0) == pytest.approx(nav.peak * 2e-6)
