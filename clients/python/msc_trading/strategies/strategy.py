"""A strategy: one-minute candles in, signals out. It knows no account and no policy, and trades nothing itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Protocol

from msc_client.facts import Direction
from msc_trading.market.candle import MINUTE, Candle
from msc_trading.market.resample import Resampler
from msc_trading.signals import Signal, SignalKind
from msc_trading.strategies.indicators import price_of
from msc_trading.strategies.rule import Rule, Wish

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_SIGNIFICANT: Final = 7


class Strategy(Protocol):
    """A source of signals, for any number of symbols."""

    @property
    def strategy_id(self) -> str:
        """Name by which policies speak of it."""
        ...

    @property
    def warmup_minutes(self) -> int:
        """How many candles it must see before its measures are those of a strategy that saw all."""
        ...

    def on_candle(self, candle: Candle) -> tuple[Signal, ...]:
        """Takes a closed one-minute candle and returns what it wants now: at most an exit and then an entry."""
        ...


@dataclass(slots=True)
class _Desk:
    """What is remembered of one symbol."""

    resampler: Resampler
    rule: Rule
    held: Direction | None = None
    last: datetime = _EPOCH


class RuleStrategy:
    """Runs one rule on bars of one length.

    It follows its own wishes, not fills: whoever blocks an entry does not change what comes next, so the same candles
    give the same signals to everybody. A candle that is not newer than the last one of its symbol is ignored.
    """

    def __init__(self, strategy_id: str, *, bar_minutes: int, rule: Callable[[], Rule]) -> None:
        """Takes a name of A-Z a-z 0-9 _ -, the length of its bars, and what makes the rule for a symbol."""
        self._strategy_id = strategy_id
        self._bar_minutes = bar_minutes
        self._rule = rule
        self._desks: dict[str, _Desk] = {}

    @property
    def strategy_id(self) -> str:
        """Name by which policies speak of it."""
        return self._strategy_id

    @property
    def warmup_minutes(self) -> int:
        """How many candles it must see before its measures are those of a strategy that saw all."""
        # The first bar may begin before the first candle.
        return (self._rule().warmup_bars + 1) * self._bar_minutes

    def on_candle(self, candle: Candle) -> tuple[Signal, ...]:
        """Takes a closed one-minute candle and returns what it wants now: at most an exit and then an entry."""
        desk = self._desks.get(candle.symbol)
        if desk is None:
            desk = self._desks[candle.symbol] = _Desk(Resampler(self._bar_minutes), self._rule())
        if candle.open_time <= desk.last:
            return ()
        desk.last = candle.open_time
        bars = desk.resampler.update(candle)
        return self._judge(desk, bars, candle) if bars else ()

    def _judge(self, desk: _Desk, bars: tuple[Candle, ...], candle: Candle) -> tuple[Signal, ...]:
        before, wanted = desk.held, None
        for bar in bars:
            wish = desk.rule.on_bar(bar, desk.held)
            if wish is not None:
                desk.held, wanted = wish.direction, wish
        if desk.held is before:
            return ()
        bar_at = bars[-1].open_time
        exits = () if before is None else (self._exit(before, candle, bar_at),)
        if wanted is None or wanted.direction is None:
            return exits
        return (*exits, self._entry(wanted.direction, wanted, candle, bar_at))

    def _entry(self, direction: Direction, wish: Wish, candle: Candle, bar_at: datetime) -> Signal:
        distance = price_of(wish.stop_distance)
        stop = candle.close - distance if direction is Direction.LONG else candle.close + distance
        return Signal(
            signal_id=signal_id(self._strategy_id, candle.symbol, bar_at, SignalKind.ENTRY, direction),
            strategy_id=self._strategy_id,
            symbol=candle.symbol,
            direction=direction,
            kind=SignalKind.ENTRY,
            confidence=wish.confidence,
            reference_price=candle.close,
            stop_price=_shortened(stop),
            at=candle.open_time + MINUTE,
        )

    def _exit(self, direction: Direction, candle: Candle, bar_at: datetime) -> Signal:
        return Signal(
            signal_id=signal_id(self._strategy_id, candle.symbol, bar_at, SignalKind.EXIT, direction),
            strategy_id=self._strategy_id,
            symbol=candle.symbol,
            direction=direction,
            kind=SignalKind.EXIT,
            confidence=None,
            reference_price=candle.close,
            stop_price=None,
            at=candle.open_time + MINUTE,
        )


def signal_id(strategy_id: str, symbol: str, bar_at: datetime, kind: SignalKind, direction: Direction) -> str:
    """Returns the id of a signal: the same for the same bar, whoever computes it and when.

    It reads TREND_001-BTCUSDT-h0m7c-EL: the bar's start in minutes since 1970, base 36; Entry or X for exit; Long or
    Short. Up to 31 characters for the sample strategies on symbols of up to 9.
    """
    mark = ("E" if kind is SignalKind.ENTRY else "X") + direction.value[0]
    return f"{strategy_id}-{symbol}-{_base36((bar_at - _EPOCH) // MINUTE)}-{mark}"


def _base36(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text or "0"


def _shortened(price: Decimal) -> Decimal:
    # Far finer than any tick, and short enough for every field that it goes through.
    return price.quantize(Decimal(1).scaleb(price.adjusted() - _SIGNIFICANT + 1))
