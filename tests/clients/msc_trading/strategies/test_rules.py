from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_client.facts import Direction
from msc_trading.market import MINUTE, Candle, generated_candles, resampled
from msc_trading.strategies import Rule, Wish
from msc_trading.strategies.breakout import Breakout
from msc_trading.strategies.indicators import price_of
from msc_trading.strategies.momentum import Momentum
from msc_trading.strategies.reversion import Reversion
from msc_trading.strategies.rule import FLAT, confidence, stop_distance
from msc_trading.strategies.trend import Trend

START = datetime(2026, 1, 1, tzinfo=UTC)
RULES: dict[str, Callable[[], Rule]] = {
    "trend": lambda: Trend(fast=5, slow=20, enter_ranges=1.0, stop_ranges=3.0),
    "momentum": lambda: Momentum(lookback=16, enter_score=1.0, stop_ranges=3.0),
    "reversion": lambda: Reversion(window=20, enter_deviations=2.0, most_efficiency=0.4, stop_ranges=3.0),
    "breakout": lambda: Breakout(entry_bars=20, exit_bars=8, stop_ranges=3.0),
}
FOLLOWERS = ["trend", "momentum", "breakout"]


def bars(closes: list[float]) -> list[Candle]:
    return [
        Candle(
            symbol="BTCUSDT",
            open_time=START + number * MINUTE,
            open=price,
            high=price + 2,
            low=price - 2,
            close=price,
            volume=Decimal(10),
        )
        for number, price in enumerate(Decimal(str(round(close, 1))) for close in closes)
    ]


def wishes(rule: Rule, closes: list[float]) -> list[Direction | None]:
    """The position wished for after each bar."""
    held: Direction | None = None
    positions = []
    for bar in bars(closes):
        wish = rule.on_bar(bar, held)
        held = held if wish is None else wish.direction
        positions.append(held)
    return positions


def last_entry(rule: Rule, closes: list[float]) -> Wish:
    found = [wish for bar in bars(closes) if (wish := rule.on_bar(bar, None)) is not None and wish.direction]
    return found[-1]


def rising(count: int, start: float = 1000.0, step: float = 3.0) -> list[float]:
    return [start + step * number for number in range(count)]


def waving(count: int, start: float = 1000.0) -> list[float]:
    return [start + 4 * math.sin(number) for number in range(count)]


@pytest.mark.parametrize("name", FOLLOWERS)
def test_followers_go_long_in_a_rise_and_short_in_a_fall(name: str) -> None:
    assert wishes(RULES[name](), waving(40) + rising(30))[-1] is Direction.LONG
    assert wishes(RULES[name](), waving(40) + rising(30, step=-3.0))[-1] is Direction.SHORT


@pytest.mark.parametrize("name", FOLLOWERS)
def test_followers_turn_with_the_market(name: str) -> None:
    there_and_back = waving(40) + rising(30) + rising(80, start=1090.0, step=-3.0)
    positions = wishes(RULES[name](), there_and_back)
    assert Direction.LONG in positions
    assert positions[-1] is Direction.SHORT
    assert positions.index(Direction.LONG) < len(positions) - positions[::-1].index(Direction.LONG)


def test_reversion_fades_a_move_and_leaves_at_the_mean() -> None:
    positions = wishes(RULES["reversion"](), [*waving(40), 1012.0, 1013.0, *waving(30)])
    assert positions[39] is None
    assert positions[41] is Direction.SHORT
    assert positions[-1] is not Direction.SHORT
    assert wishes(RULES["reversion"](), [*waving(40), 988.0, 987.0])[-1] is Direction.LONG


def test_reversion_keeps_out_of_a_straight_move() -> None:
    assert set(wishes(RULES["reversion"](), rising(80))) == {None}


@pytest.mark.parametrize("name", RULES)
def test_no_rule_wishes_for_anything_before_it_is_warm(name: str) -> None:
    rule = RULES[name]()
    closes = [*waving(rule.warmup_bars - 2), 1500.0]
    assert set(wishes(rule, closes)) == {None}


@pytest.mark.parametrize("name", RULES)
def test_a_market_that_stands_still_leads_nowhere(name: str) -> None:
    still = [
        Candle(
            symbol="BTCUSDT",
            open_time=START + number * MINUTE,
            open=Decimal(100),
            high=Decimal(100),
            low=Decimal(100),
            close=Decimal(100),
            volume=Decimal(0),
        )
        for number in range(60)
    ]
    rule = RULES[name]()
    assert {rule.on_bar(bar, None) for bar in still} <= {None, FLAT}


@pytest.mark.parametrize("name", RULES)
def test_the_last_bars_alone_decide_exactly_as_all_bars_do(name: str) -> None:
    made = list(resampled(islice(generated_candles("BTCUSDT", seed=4, start=START), 6000), 5))
    old, new, seen = RULES[name](), RULES[name](), 700
    held: Direction | None = None
    told = 0
    for number, bar in enumerate(made):
        wish = old.on_bar(bar, held)
        if number >= seen - new.warmup_bars:
            again = new.on_bar(bar, held)
            if number >= seen:
                assert again == wish
                told += wish is not None
        held = held if wish is None else wish.direction
    assert told > 5


@pytest.mark.parametrize("name", FOLLOWERS)
def test_stronger_evidence_gives_more_confidence(name: str) -> None:
    weak = last_entry(
        RULES[name](), waving(40) + [close + wave for close, wave in zip(rising(12), waving(12, 0), strict=True)]
    )
    strong = last_entry(RULES[name](), waving(40) + rising(12, step=12.0))
    assert weak.confidence < strong.confidence


def test_the_stop_is_so_many_ranges_away_but_never_within_the_noise() -> None:
    wide = last_entry(RULES["trend"](), waving(40) + rising(30, step=30.0))
    assert price_of(wide.stop_distance) > 60
    assert stop_distance(1_000_000, 10.0, 3.0) == 3_000
    assert stop_distance(1_000_000, 5_000.0, 3.0) == 15_000


@given(evidence=st.lists(st.floats(-10, 1e9), min_size=1, max_size=4))
def test_confidence_is_bounded_and_grows_with_each_piece_of_evidence(evidence: list[float]) -> None:
    value = confidence(*evidence)
    assert 0.4 <= value <= 1.0
    assert confidence(evidence[0] + 1, *evidence[1:]) >= value
