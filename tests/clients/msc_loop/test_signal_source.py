"""Candles to signals: warmed up in silence, no candle missed, none heard twice, also over a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from pathlib import Path

from loop_builders import T0, candle

from msc_client.facts import Direction
from msc_loop.signal_source import Progress, SignalSource
from msc_trading.market import MINUTE, Candle
from msc_trading.signals import Signal, SignalKind


class EachCandle:
    """A strategy that wants something at every candle."""

    strategy_id = "EACH"
    warmup_minutes = 0

    def __init__(self) -> None:
        self.fed: list[datetime] = []

    def on_candle(self, seen: Candle) -> tuple[Signal, ...]:
        self.fed.append(seen.open_time)
        return (
            Signal(
                signal_id=f"{seen.open_time:%H%M}",
                strategy_id="EACH",
                symbol=seen.symbol,
                direction=Direction.LONG,
                kind=SignalKind.EXIT,
                confidence=None,
                reference_price=seen.close,
                stop_price=None,
                at=seen.open_time + MINUTE,
            ),
        )


async def _stream(candles: Iterable[Candle]) -> AsyncIterator[Candle]:
    for one in candles:
        yield one


def minutes(seen: Iterable[datetime]) -> list[float]:
    return [(at - T0) / MINUTE for at in seen]


def heard(streamed: range, *, warm: float, heard_until: float | None = None) -> tuple[list[float], list[float]]:
    """Returns the minutes that the strategy was fed, and those whose signals were heard."""
    strategy, shown = EachCandle(), list[datetime]()
    since = None if heard_until is None else T0 + heard_until * MINUTE
    source = SignalSource(
        [strategy],
        (candle(number) for number in range(100)),
        heard_until=since,
        on_candle=lambda one: shown.append(one.open_time),
    )
    source.warm_up(T0 + timedelta(minutes=warm))

    async def collect() -> list[datetime]:
        return [signal.at - MINUTE async for signal in source.signals(_stream(candle(number) for number in streamed))]

    signals = asyncio.run(collect())
    assert shown == strategy.fed
    return minutes(strategy.fed), minutes(signals)


def test_history_is_fed_and_not_heard() -> None:
    fed, signals = heard(range(3, 5), warm=3)

    assert (fed, signals) == ([0, 1, 2, 3, 4], [3, 4])


def test_a_candle_that_has_not_ended_is_no_history() -> None:
    fed, signals = heard(range(2, 3), warm=2.9)

    assert (fed, signals) == ([0, 1, 2], [2])


def test_what_closed_before_the_stream_began_is_heard() -> None:
    fed, signals = heard(range(6, 8), warm=3)

    assert fed == [0, 1, 2, 3, 4, 5, 6, 7]
    assert signals == [3, 4, 5, 6, 7]


def test_after_a_restart_what_was_missed_is_heard_and_nothing_twice() -> None:
    fed, signals = heard(range(9, 11), warm=8, heard_until=4)

    assert fed == list(range(11))
    assert signals == [5, 6, 7, 8, 9, 10]


def test_gaps_later_are_the_stream_s_to_fill() -> None:
    strategy = EachCandle()
    source = SignalSource([strategy], (candle(n) for n in range(9)), heard_until=None, on_candle=lambda _: None)

    async def collect() -> list[str]:
        return [signal.signal_id async for signal in source.signals(_stream([candle(0), candle(5)]))]

    assert len(asyncio.run(collect())) == 2


class TestProgress:
    def test_is_nothing_at_first(self, tmp_path: Path) -> None:
        assert Progress(tmp_path / "candle").read() is None

    def test_is_what_was_written_last(self, tmp_path: Path) -> None:
        progress = Progress(tmp_path / "candle")
        progress.write(T0)
        progress.write(T0 + MINUTE)

        assert Progress(tmp_path / "candle").read() == T0 + MINUTE

    def test_is_nothing_when_it_was_torn(self, tmp_path: Path) -> None:
        (tmp_path / "candle").write_text("2026-01-", encoding="ascii")

        assert Progress(tmp_path / "candle").read() is None
