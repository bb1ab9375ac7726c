"""The same candles and strategies as a run's, without the controller."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import datetime

from msc_client import ClosedTrade, EquityPoint, Policy
from msc_loop.plan import LoopPlan
from msc_loop.report import Without
from msc_trading.backtest import BacktestConfig, fixed_normal, run_backtest
from msc_trading.market import Candle
from msc_trading.strategies import Strategy, strategy_set


class _Nobody:
    """A controller that decides nothing: only the fixed side is looked at."""

    def __init__(self, strategies: tuple[Strategy, ...]) -> None:
        self._policy = fixed_normal(strategy.strategy_id for strategy in strategies)

    def on_trade(self, trade: ClosedTrade) -> None:
        """Hears of a trade."""

    def on_equity(self, point: EquityPoint) -> None:
        """Hears of the equity."""

    def evaluate(self, as_of: datetime) -> Policy:
        """Returns the same policy at any time."""
        return self._policy


def without_controller(plan: LoopPlan, until: datetime) -> Without:
    """Returns what fixed NORMAL limits would have made of the run, from its origin up to `until`.

    Raises:
        ValueError: no candle has ended by then.
    """
    strategies = strategy_set()
    candles = _after(plan, until, strategies)
    side = run_backtest(candles, strategies, BacktestConfig(starting_equity=plan.balance), _Nobody(strategies)).fixed
    return Without(
        trades=len(side.trades),
        net_pnl=side.net_pnl,
        fees=side.fees,
        max_drawdown_pct=side.max_drawdown_pct,
    )


def _after(plan: LoopPlan, until: datetime, strategies: tuple[Strategy, ...]) -> Iterator[Candle]:
    """Yields the run's candles; those before its origin only warm the strategies up, as they did in the run."""
    feeds = [plan.history(symbol, until) for symbol in plan.symbols]
    for candle in heapq.merge(*feeds, key=lambda one: (one.open_time, one.symbol)):
        if candle.open_time >= plan.origin:
            yield candle
            continue
        for strategy in strategies:
            strategy.on_candle(candle)
