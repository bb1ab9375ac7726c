"""Bars of every interval."""

from __future__ import annotations

from decimal import Decimal

import pytest
from paper_builders import NOON

from msc_trading.paper.engine.bars import INTERVALS, MINUTE_MS, Bars, milliseconds

START = milliseconds(NOON)


def filled(minutes: int) -> Bars:
    bars = Bars()
    for number in range(minutes):
        low = Decimal(100 + number)
        bars.remember(START + number * MINUTE_MS, [low, low + 5, low - 5, low + 1], Decimal(8))
    return bars


def test_a_bar_holds_what_happened_in_it() -> None:
    bar = filled(1).of("1m")[0]

    assert (bar.open, bar.high, bar.low, bar.close) == tuple(map(Decimal, (100, 105, 95, 101)))
    assert (bar.volume, bar.quote, bar.trades) == (Decimal(8), Decimal(802), 4)
    assert (bar.open_ms, bar.close_ms) == (START, START + MINUTE_MS - 1)


@pytest.mark.parametrize("interval", list(INTERVALS))
def test_longer_bars_are_made_of_minutes(interval: str) -> None:
    minutes = min(INTERVALS[interval], 120)

    bar = filled(minutes).of(interval)[-1]

    assert bar.open_ms % (INTERVALS[interval] * MINUTE_MS) == 0
    assert (bar.high, bar.close) == (Decimal(104 + minutes), Decimal(100 + minutes))


def test_a_bar_closes_with_its_last_minute() -> None:
    assert [bar.closed for bar in filled(4).of("5m")] == [False]
    assert [bar.closed for bar in filled(5).of("5m")] == [True]
    assert [bar.closed for bar in filled(6).of("5m")] == [True, False]


def test_a_gap_in_time_closes_the_bar_before_it() -> None:
    bars = Bars()
    bars.trade(START, Decimal(100), Decimal(1), 1)
    bars.trade(START + 10 * MINUTE_MS, Decimal(110), Decimal(1), 2)

    assert [(bar.open, bar.closed) for bar in bars.of("1m")] == [(Decimal(100), True), (Decimal(110), False)]


def test_old_bars_are_forgotten() -> None:
    bars = filled(2_005)

    assert len(bars.of("3m")) == 669
    assert len(bars.of("1m")) == 2_005
    assert bars.of("1m").maxlen == 20_000
