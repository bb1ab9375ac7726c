"""The loop of a backtest: minutes in, a report out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Final

from msc_client.facts import ClosedTrade
from msc_trading.backtest.config import BacktestConfig
from msc_trading.backtest.controller import Controller, fixed_normal
from msc_trading.backtest.desk import Desk
from msc_trading.backtest.report import BacktestReport
from msc_trading.market.candle import MINUTE, Candle
from msc_trading.signals import Signal, SignalKind
from msc_trading.strategies.strategy import Strategy

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def run_backtest(
    candles: Iterable[Candle],
    strategies: Sequence[Strategy],
    config: BacktestConfig,
    controller: Controller,
) -> BacktestReport:
    """Returns what the strategies' signals make on two equal accounts: under the controller, and under fixed limits.

    `candles` are of one minute, in the order of time; several symbols take turns within a minute. The first ones warm
    the strategies up: none is left out of the account.

    Raises:
        ValueError: there are no candles, or they are out of order.
    """
    run: _Run | None = None
    for open_time, minute in _minutes(candles):
        if run is None:
            run = _Run(open_time, strategies, config, controller)
        run.take(open_time, minute)
    if run is None:
        raise ValueError("candles: there are none")
    return run.report()


def _minutes(candles: Iterable[Candle]) -> Iterator[tuple[datetime, list[Candle]]]:
    before = _EPOCH
    for open_time, group in groupby(candles, key=attrgetter("open_time")):
        minute = list(group)
        if open_time < before:
            raise ValueError(f"candles: {open_time} comes after {before}; give them in the order of time")
        if len(minute) > 1 and len({candle.symbol for candle in minute}) < len(minute):
            raise ValueError(f"candles: a symbol comes twice at {open_time}")
        before = open_time
        yield open_time, minute


class _Run:
    def __init__(
        self, start: datetime, strategies: Sequence[Strategy], config: BacktestConfig, controller: Controller
    ) -> None:
        self._config = config
        self._controller = controller
        self._strategies = strategies
        self._step = timedelta(minutes=config.evaluate_every_min)
        self._equity_step = timedelta(minutes=config.equity_every_min)
        self._ids = tuple(strategy.strategy_id for strategy in strategies)
        self._first_at = self._last_at = start
        self._due = _next_multiple(start, self._step)
        self._evaluations = 1
        self._controlled = Desk(controller.evaluate(start), start, config, on_trade=controller.on_trade)
        self._fixed = Desk(fixed_normal(self._ids), start, config, on_trade=_nobody_listens)
        self._seen: Counter[str] = Counter()
        self._spans: dict[str, tuple[datetime, datetime]] = {}
        self._signals: Counter[SignalKind] = Counter()

    def take(self, open_time: datetime, minute: list[Candle]) -> None:
        """Plays one minute: fills, readings, evaluation, signals."""
        at = open_time + MINUTE
        for candle in minute:
            self._note(candle)
            self._controlled.take(candle)
            self._fixed.take(candle)
        self._controlled.mark(at)
        self._fixed.mark(at)
        if not (at - _EPOCH) % self._equity_step:
            self._controller.on_equity(self._controlled.account.reading(at))
        if at >= self._due:
            self._evaluate(at)
        for signal in self._heard(minute):
            self._signals[signal.kind] += 1
            self._controlled.hear(signal)
            self._fixed.hear(signal)
        self._last_at = at

    def _heard(self, minute: list[Candle]) -> list[Signal]:
        return [signal for candle in minute for strategy in self._strategies for signal in strategy.on_candle(candle)]

    def _note(self, candle: Candle) -> None:
        symbol, at = candle.symbol, candle.open_time
        self._seen[symbol] += 1
        self._spans[symbol] = (self._spans[symbol][0] if symbol in self._spans else at, at)

    def _evaluate(self, at: datetime) -> None:
        self._evaluations += 1
        self._due = _next_multiple(at, self._step)
        self._controlled.follow(self._controller.evaluate(at), at)

    def report(self) -> BacktestReport:
        """Closes both sides and returns what was found."""
        spans = {symbol: (last - first) // MINUTE + 1 for symbol, (first, last) in self._spans.items()}
        return BacktestReport(
            first_at=self._first_at,
            last_at=self._last_at,
            symbols=tuple(sorted(self._seen)),
            strategies=self._ids,
            candles=self._seen.total(),
            missing_minutes=sum(spans.values()) - self._seen.total(),
            entry_signals=self._signals[SignalKind.ENTRY],
            exit_signals=self._signals[SignalKind.EXIT],
            evaluations=self._evaluations,
            controlled=self._controlled.finish(self._last_at),
            fixed=self._fixed.finish(self._last_at),
        )


def _next_multiple(at: datetime, step: timedelta) -> datetime:
    return at + step - (at - _EPOCH) % step


def _nobody_listens(_: ClosedTrade) -> None:
    return None
