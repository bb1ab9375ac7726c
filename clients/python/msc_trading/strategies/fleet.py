"""The sample strategies: four ideas, two sets of parameters each."""

from __future__ import annotations

from msc_trading.strategies.breakout import Breakout
from msc_trading.strategies.momentum import Momentum
from msc_trading.strategies.reversion import Reversion
from msc_trading.strategies.strategy import RuleStrategy, Strategy
from msc_trading.strategies.trend import Trend


def strategy_set() -> tuple[Strategy, ...]:
    """Returns all eight sample strategies, each with a memory of its own and nothing seen yet."""
    return (
        RuleStrategy(
            "TREND_001",
            bar_minutes=5,
            rule=lambda: Trend(fast=24, slow=96, enter_ranges=1.5, stop_ranges=5.0),
        ),
        RuleStrategy(
            "TREND_002",
            bar_minutes=30,
            rule=lambda: Trend(fast=8, slow=40, enter_ranges=1.0, stop_ranges=3.0),
        ),
        RuleStrategy(
            "MOMENTUM_001",
            bar_minutes=5,
            rule=lambda: Momentum(lookback=48, enter_score=1.0, stop_ranges=5.0),
        ),
        RuleStrategy(
            "MOMENTUM_002",
            bar_minutes=30,
            rule=lambda: Momentum(lookback=24, enter_score=0.8, stop_ranges=3.0),
        ),
        RuleStrategy(
            "REVERSION_001",
            bar_minutes=5,
            rule=lambda: Reversion(window=48, enter_deviations=2.0, most_efficiency=0.35, stop_ranges=5.0),
        ),
        RuleStrategy(
            "REVERSION_002",
            bar_minutes=15,
            rule=lambda: Reversion(window=48, enter_deviations=2.0, most_efficiency=0.35, stop_ranges=4.0),
        ),
        RuleStrategy(
            "BREAKOUT_001",
            bar_minutes=5,
            rule=lambda: Breakout(entry_bars=96, exit_bars=32, stop_ranges=4.0),
        ),
        RuleStrategy(
            "BREAKOUT_002",
            bar_minutes=30,
            rule=lambda: Breakout(entry_bars=40, exit_bars=12, stop_ranges=3.0),
        ),
    )
