"""From candles to signals, across restarts: no candle is missed, and none is heard twice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from msc_trading.market import MINUTE, Candle
from msc_trading.signals import Signal
from msc_trading.strategies import Strategy

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class Progress:
    """Remembers in a file which candle was heard last."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> datetime | None:
        """Returns when the last candle that was heard began, None when there was none."""
        try:
            return datetime.fromisoformat(self._path.read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            # None before the first; a torn one is of a process that was killed while it wrote.
            return None

    def write(self, open_time: datetime) -> None:
        """Remembers it."""
        self._path.write_text(open_time.isoformat(), encoding="ascii")


class SignalSource:
    """Feeds strategies with candles: first with history, for which nobody hears their signals, then with the stream's.

    What closed between the history and the first candle of the stream is taken from the history too, and heard; so is
    everything since `heard_until`, where an earlier life of this process stopped.
    """

    def __init__(
        self,
        strategies: Sequence[Strategy],
        history: Iterator[Candle],
        *,
        heard_until: datetime | None,
        on_candle: Callable[[Candle], None],
    ) -> None:
        """Takes the strategies, all candles from the beginning, and who is shown each candle before its signals."""
        self._strategies = strategies
        self._history = history
        self._heard_until = heard_until or _NEVER
        self._on_candle = on_candle
        self._next = next(history, None)

    def warm_up(self, until: datetime) -> None:
        """Feeds what had ended by then and was heard before. At the first start, that is all of it."""
        if self._heard_until > _NEVER:
            until = min(until, self._heard_until + MINUTE)
        while self._next is not None and self._next.open_time + MINUTE <= until:
            self._feed(self._take(self._next))

    async def signals(self, stream: AsyncIterator[Candle]) -> AsyncIterator[Signal]:
        """Yields the strategies' signals on the stream's candles, in order."""
        async for candle in stream:
            for missed in self._missed(candle):
                for signal in self._feed(missed):
                    yield signal
            for signal in self._feed(candle):
                yield signal

    def _missed(self, candle: Candle) -> Iterator[Candle]:
        while self._next is not None and self._next.open_time < candle.open_time:
            yield self._take(self._next)
        # From here on the stream leaves no gaps.
        self._next = None

    def _take(self, candle: Candle) -> Candle:
        self._next = next(self._history, None)
        return candle

    def _feed(self, candle: Candle) -> list[Signal]:
        self._on_candle(candle)
        return [signal for strategy in self._strategies for signal in strategy.on_candle(candle)]
