"""The sample fleet: its rules, its exits, and the money it makes."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_authority.core.facts import Direction, TradeSource
from msc_authority.sample.fleet import trade
from msc_authority.sample.market import BARS_PER_DAY, STORY, Regime, closes
from msc_authority.sample.rules import LONG, SHORT, BreakoutRule, DipRule, Entry, RangeRule

FLAT = [100_000.0] * 100


class Always:
    """Enters at every close with the same entry."""

    def __init__(self, direction: int = LONG, stop: float = 0.01, target: float = 0.02, hold_bars: int = 1000) -> None:
        self._entry = Entry(direction=direction, stop_fraction=stop, target_fraction=target, hold_bars=hold_bars)

    def entry(self, closes: Sequence[float]) -> Entry | None:
        return self._entry


def test_the_same_seed_makes_the_same_market() -> None:
    assert closes(7) == closes(7)


@given(st.integers(min_value=0, max_value=2**32))
def test_every_close_is_positive_and_on_the_venues_tick(seed: int) -> None:
    story = (Regime(name="storm", days=0.2, drift_per_day=-0.5, trend_volatility_per_day=0.5, noise_fraction=0.05),)

    for close in closes(seed, story):
        assert close > 0
        assert close == round(close, 1)


def test_a_regime_begins_with_its_jump() -> None:
    calm = Regime(name="calm", days=0.1, drift_per_day=0.0, trend_volatility_per_day=0.0, noise_fraction=0.0)
    fall = Regime(
        name="fall", days=0.1, drift_per_day=0.0, trend_volatility_per_day=0.0, noise_fraction=0.0, jump_fraction=-0.05
    )

    before, after = closes(1, (calm, fall))[28:30]

    assert after == pytest.approx(before * 0.95, abs=0.1)


def test_the_story_is_three_weeks() -> None:
    assert sum(regime.days for regime in STORY) == 21
    assert BARS_PER_DAY * 5 == 24 * 60


@pytest.mark.parametrize(("last", "direction"), [(101_000.0, SHORT), (99_000.0, LONG)])
def test_the_range_rule_fades_a_far_close_toward_the_mean(last: float, direction: int) -> None:
    rule = RangeRule(window=48, deviations=2.0, stop_per_target=1.5)

    entry = rule.entry([*FLAT, last])

    assert entry is not None
    assert entry.direction == direction
    assert entry.stop_fraction == pytest.approx(1.5 * entry.target_fraction)
    assert rule.entry([*FLAT[:47], 100_001.0, 99_999.0, 100_000.0]) is None


@pytest.mark.parametrize(("last", "direction"), [(101_000.0, LONG), (99_000.0, SHORT)])
def test_the_breakout_rule_follows_a_new_extreme(last: float, direction: int) -> None:
    rule = BreakoutRule(window=20, stop_fraction=0.01, target_fraction=0.02)

    entry = rule.entry([*FLAT, last])

    assert entry is not None
    assert entry.direction == direction
    assert rule.entry(FLAT) is None
    assert rule.entry([100.0, 200.0]) is None


def test_the_dip_rule_buys_only_a_dip_of_an_advance() -> None:
    rule = DipRule(window=10, dip_fraction=0.01, stop_fraction=0.01, target_fraction=0.01)
    rising = [100.0 + step for step in range(20)]

    assert rule.entry(rising) is None
    assert rule.entry([*rising, 105.0]) is not None
    assert rule.entry([*reversed(rising), 90.0]) is None
    assert rule.entry(rising[:5]) is None


@pytest.mark.parametrize(
    ("direction", "prices", "exit_price"),
    [
        (LONG, [100.0, 100.5, 98.9, 103.0], "98.9"),
        (LONG, [100.0, 101.0, 102.0, 103.0], "102.0"),
        (SHORT, [100.0, 99.5, 101.0, 97.0], "101.0"),
        (SHORT, [100.0, 99.0, 98.0, 97.0], "98.0"),
    ],
)
def test_a_position_ends_at_its_stop_or_its_target(direction: int, prices: list[float], exit_price: str) -> None:
    trades, _ = trade(prices, {"A": Always(direction)})

    assert trades[0].exit_price == Decimal(exit_price)
    assert trades[0].direction is (Direction.LONG if direction == LONG else Direction.SHORT)


def test_a_position_ends_after_its_time_and_none_is_left_open() -> None:
    trades, points = trade([100.0] * 10, {"A": Always(hold_bars=4)})

    lengths = [(row.closed_at - row.opened_at).total_seconds() / 300 for row in trades]
    assert lengths == [4, 4, 1]
    assert points[-1].unrealized_pnl == 0


def test_net_is_gross_less_fees_plus_funding_to_the_cent() -> None:
    prices = [100.0 + (step % 7) for step in range(600)]

    for row in trade(prices, {"A": Always(), "B": Always(SHORT)})[0]:
        assert row.net_pnl == row.gross_pnl - row.fees + row.funding
        assert row.fees > 0


def test_longs_pay_funding_every_eight_hours_and_shorts_receive_it() -> None:
    rules = {"LONG": Always(hold_bars=200), "SHORT": Always(SHORT, hold_bars=200)}
    first = {row.strategy_id: row for row in trade([100.0] * 250, rules)[0][:2]}

    assert first["LONG"].funding < 0 < first["SHORT"].funding


def test_a_rule_that_keeps_losing_goes_on_without_money() -> None:
    prices = [round(100_000 * 0.985**step, 1) for step in range(60)]

    trades, points = trade(prices, {"LOSER": Always()})

    sources = [row.source for row in trades]
    turn = sources.index(TradeSource.SHADOW)
    assert set(sources[:turn]) == {TradeSource.LIVE}
    live = sum((row.net_pnl for row in trades if row.source is TradeSource.LIVE), Decimal(0))
    assert points[-1].wallet_balance == Decimal("100000.00") + live
