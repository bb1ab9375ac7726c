"""Backtests: the same signals with and without the controller, as fast as they can be played."""

from msc_trading.backtest.config import BacktestConfig
from msc_trading.backtest.controller import Controller, fixed_normal
from msc_trading.backtest.report import BacktestReport, PolicyStep, Side, StrategyResult
from msc_trading.backtest.run import run_backtest
from msc_trading.backtest.text import report_text

__all__ = [
    "BacktestConfig",
    "Controller",
    "fixed_normal",
    "BacktestReport",
    "PolicyStep",
    "Side",
    "StrategyResult",
    "run_backtest",
    "report_text",
]
