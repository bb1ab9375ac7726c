"""A high-water mark since an instant: raised by what is read later, never lowered, and of one curve only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_core_builders import CONFIG, DAY, HOUR, T0

from msc_authority.core.equity import EquityCurve, SettledCurve
from msc_authority.core.high_water import HighWaterMark


def a_curve(*totals: float) -> SettledCurve:
    curve = EquityCurve(CONFIG.equity)
    for number, total in enumerate(totals):
        curve.observe(T0 + number * HOUR, total, 0.0)
    return curve.settled()


def test_the_mark_is_the_greatest_nav_read_after_its_instant() -> None:
    curve = a_curve(1_000.0, 2_000.0, 1_500.0, 1_200.0)

    since = HighWaterMark(since=T0 + HOUR).raised(curve, 1.2, "account")

    assert since == HighWaterMark(since=T0 + HOUR, nav=1.5, origin="account")


def test_the_nav_of_now_counts_even_where_nothing_was_read_since() -> None:
    mark = HighWaterMark(since=T0 + DAY).raised(a_curve(1_000.0), 0.9, "account")

    assert (mark.nav, mark.drawdown_pct(0.9)) == (0.9, 0.0)


def test_within_one_curve_it_never_falls() -> None:
    high = HighWaterMark(since=T0, nav=3.0, origin="account")

    assert high.raised(a_curve(1_000.0, 1_100.0), 1.1, "account").nav == 3.0


def test_navs_of_another_curve_are_not_compared_but_looked_up_anew() -> None:
    of_trades = HighWaterMark(since=T0, nav=3.0, origin="closed_trades")

    of_account = of_trades.raised(a_curve(1_000.0, 1_250.0, 1_100.0), 1.1, "equity_points")

    assert (of_account.nav, of_account.origin, of_account.since) == (1.25, "equity_points", T0)


@pytest.mark.parametrize(
    ("nav", "now", "drawdown"),
    [(2.0, 2.0, 0.0), (2.0, 1.5, 25.0), (2.0, 2.5, 0.0), (2.0, 0.0, 100.0), (2.0, -1.0, 150.0)],
)
def test_the_drawdown_is_the_share_below_the_mark_in_percent(nav: float, now: float, drawdown: float) -> None:
    assert HighWaterMark(since=T0, nav=nav).drawdown_pct(now) == drawdown


@pytest.mark.parametrize("nav", [None, 0.0, -1.0])
def test_below_a_mark_that_is_not_positive_there_is_no_drawdown_to_tell(nav: float | None) -> None:
    assert HighWaterMark(since=T0, nav=nav).drawdown_pct(0.5) is None


@given(st.lists(st.floats(1, 10_000), min_size=2, max_size=40), st.integers(0, 45), st.integers(0, 38))
def test_raised_on_the_way_it_is_never_below_the_mark_that_is_raised_at_the_end(
    totals: list[float], since: int, cut: int
) -> None:
    start = HighWaterMark(since=T0 + since * HOUR)
    seen = totals[: cut + 1]
    navs = [total / totals[0] for total in totals]

    stepwise = start.raised(a_curve(*seen), navs[len(seen) - 1], "x").raised(a_curve(*totals), navs[-1], "x")
    at_once = start.raised(a_curve(*totals), navs[-1], "x")

    assert stepwise.nav is not None
    assert stepwise.nav == pytest.approx(max(at_once.nav or 0.0, navs[len(seen) - 1]))


@pytest.mark.parametrize(
    "mark", [HighWaterMark(since=T0), HighWaterMark(since=T0, nav=1.25, origin="equity_points@2024-03-01T00:00:00")]
)
def test_a_stored_mark_comes_back(mark: HighWaterMark) -> None:
    assert HighWaterMark.decode(mark.encode()) == mark
