"""Prices from candles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from paper_builders import NOON, candle, candles

from msc_trading.market import Candle
from msc_trading.paper.feed import Feed, walk

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("prices", "way"),
    [
        ("100 110 90 105", [100, 90, 110, 105]),
        ("100 110 90 95", [100, 110, 90, 95]),
        ("100 100 100 100", [100, 100, 100, 100]),
    ],
)
def test_a_minute_goes_first_against_its_direction_and_then_with_it(prices: str, way: list[int]) -> None:
    assert [point.price for point in walk(candle(0, prices))] == way


def test_a_minute_jumps_to_its_open_only_and_closes_its_bar_at_its_end() -> None:
    points = list(walk(candle(3)))

    assert [point.jumps for point in points] == [True, False, False, False]
    assert [point.closes_bar for point in points] == [False, False, False, True]
    assert points[0].at == NOON + 3 * MINUTE
    assert points[-1].at == NOON + 4 * MINUTE - timedelta(milliseconds=1)


def test_a_minutes_volume_is_spread_over_its_points() -> None:
    assert [point.quantity for point in walk(candle(volume="10"))] == [Decimal("2.500")] * 4


def test_symbols_are_merged_by_time() -> None:
    feed = Feed({"BTCUSDT": candles(2), "ETHUSDT": candles(2, symbol="ETHUSDT")}, origin=None)

    points = list(feed.until(NOON + timedelta(hours=1)))

    assert [point.at for point in points] == sorted(point.at for point in points)
    assert [point.symbol for point in points[:4]] == ["BTCUSDT", "ETHUSDT"] * 2
    assert len(points) == 16


def test_points_come_once_and_not_before_their_time() -> None:
    feed = Feed({"BTCUSDT": candles(2)}, origin=None)

    first = list(feed.until(NOON + timedelta(seconds=39)))
    second = list(feed.until(NOON + timedelta(seconds=40)))

    assert (len(first), len(second)) == (2, 1)
    assert not feed.ended
    assert len(list(feed.until(NOON + timedelta(hours=1)))) == 5
    assert feed.ended


def test_time_starts_with_the_first_candle_after_the_warm_up() -> None:
    assert Feed({"BTCUSDT": candles(9)}, origin=None).origin == NOON
    assert Feed({"BTCUSDT": candles(9)}, origin=None, warm_up_bars=4).origin == NOON + 4 * MINUTE


def test_candles_that_ended_before_the_start_are_history() -> None:
    feed = Feed({"BTCUSDT": candles(9)}, origin=None, warm_up_bars=4)

    assert [each.open_time for each in feed.history()] == [NOON + number * MINUTE for number in range(4)]
    assert next(iter(feed.until(NOON + 9 * MINUTE))).at == NOON + 4 * MINUTE


def test_candles_are_read_as_time_passes() -> None:
    taken: list[int] = []

    def endless() -> Iterator[Candle]:
        for number in range(10**9):
            taken.append(number)
            yield candle(number)

    feed = Feed({"BTCUSDT": endless()}, origin=None)
    list(feed.until(NOON + timedelta(seconds=30)))

    assert len(taken) < 5


def test_without_candles_a_start_is_needed() -> None:
    with pytest.raises(ValueError, match="origin"):
        Feed({}, origin=None)
    assert Feed({}, origin=NOON).ended


@pytest.mark.parametrize(
    ("second", "named"),
    [
        (candle(0), "open_time"),
        (candle(1, symbol="ETHUSDT"), "symbol"),
        (replace(candle(1), low=Decimal(101)), "low"),
        (replace(candle(1), high=Decimal(99)), "high"),
        (replace(candle(1), low=Decimal(0)), "low"),
    ],
)
def test_a_candle_out_of_sense_is_refused_by_name(second: Candle, named: str) -> None:
    feed = Feed({"BTCUSDT": [candle(0), second]}, origin=NOON)

    with pytest.raises(ValueError, match=named):
        list(feed.until(NOON + timedelta(hours=1)))
