from __future__ import annotations

from decimal import Decimal

import pytest
from candle_files import START, candle, minutes_of
from hypothesis import given
from hypothesis import strategies as st

from msc_trading.market import MINUTE, Candle, Resampler, resampled


def minute(at: int, close: int = 100, volume: int = 1) -> Candle:
    price = Decimal(close)
    return candle(at, open=price, high=price + 1, low=price - 1, close=price, volume=Decimal(volume))


def test_a_bar_is_returned_with_its_last_minute() -> None:
    resampler = Resampler(3)
    assert resampler.update(minute(0, 100)) == ()
    assert resampler.update(minute(1, 110)) == ()
    assert resampler.update(minute(2, 90, volume=4)) == (
        Candle(
            symbol="BTCUSDT",
            open_time=START,
            open=Decimal(100),
            high=Decimal(111),
            low=Decimal(89),
            close=Decimal(90),
            volume=Decimal(6),
        ),
    )
    assert resampler.update(minute(3)) == ()


def test_bars_of_one_minute_are_the_candles() -> None:
    candles = [minute(at, 100 + at) for at in range(5)]
    assert list(resampled(candles, 1)) == candles


def test_a_bar_begins_on_its_own_time_wherever_the_candles_begin() -> None:
    bars = list(resampled([minute(at) for at in range(7, 21)], 5))
    assert minutes_of(bars) == [5, 10, 15]


def test_an_interrupted_bar_closes_with_the_next_candle() -> None:
    resampler = Resampler(5)
    assert resampler.update(minute(0, 100)) == ()
    (bar,) = resampler.update(minute(11, 120))
    assert (bar.open_time, bar.close, bar.volume) == (START, Decimal(100), Decimal(1))


def test_a_candle_can_close_an_interrupted_bar_and_its_own() -> None:
    resampler = Resampler(5)
    resampler.update(minute(0, 100))
    assert [bar.close for bar in resampler.update(minute(9, 120))] == [Decimal(100), Decimal(120)]


def test_what_has_not_closed_is_not_returned() -> None:
    assert list(resampled([minute(0), minute(1)], 5)) == []


@pytest.mark.parametrize("minutes", [0, -5, 7, 2880])
def test_a_length_that_does_not_divide_the_day_is_refused(minutes: int) -> None:
    with pytest.raises(ValueError, match=r"^minutes: "):
        Resampler(minutes)


def test_a_candle_of_the_past_is_refused() -> None:
    resampler = Resampler(5)
    resampler.update(minute(4))
    with pytest.raises(ValueError, match=r"^open_time: "):
        resampler.update(minute(4))


def test_a_candle_of_another_symbol_is_refused() -> None:
    resampler = Resampler(5)
    resampler.update(minute(0))
    with pytest.raises(ValueError, match=r"^symbol: is ETHUSDT, after BTCUSDT"):
        resampler.update(candle(1, symbol="ETHUSDT"))


@given(
    closes=st.dictionaries(st.integers(0, 300), st.integers(10, 1000), min_size=1),
    minutes=st.sampled_from([1, 3, 5, 15, 60]),
)
def test_bars_hold_exactly_the_candles_of_their_time(closes: dict[int, int], minutes: int) -> None:
    candles = [minute(at, close) for at, close in sorted(closes.items())]
    bars = list(resampled(candles, minutes))
    for bar in bars:
        inside = [item for item in candles if bar.open_time <= item.open_time < bar.open_time + minutes * MINUTE]
        assert (bar.open, bar.close) == (inside[0].open, inside[-1].close)
        assert (bar.high, bar.low) == (max(item.high for item in inside), min(item.low for item in inside))
        assert bar.volume == sum(item.volume for item in inside)
    assert minutes_of(bars) == sorted(set(minutes_of(bars)))
    unclosed = {at // minutes for at in closes} - {at // minutes for at in minutes_of(bars)}
    assert unclosed in (set(), {max(closes) // minutes})
