"""Each metric beside the line it is judged by, with where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from msc_authority.core.config import DecisionConfig
from msc_authority.core.evaluation import HealthMetric
from msc_authority.core.grade import GradeInputs
from msc_authority.core.metrics_trades import wilson_interval
from msc_authority.core.survey import Survey

_TRADES = "trade_logs"
SUPPLIED = "supplied"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a metric comes from: table, window, facts behind it, and the age of the newest in seconds."""

    source: str
    window: str = ""
    sample_size: int = 0
    age_s: float | None = None
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenances:
    """Provenance of each family of metrics."""

    equity: Provenance
    slope: Provenance
    volatility: Provenance
    trades: Provenance
    history: Provenance


def supplied() -> Provenances:
    """Returns the provenance of a what-if."""
    it = Provenance(source=SUPPLIED)
    return Provenances(equity=it, slope=it, volatility=it, trades=it, history=it)


def measured(seen: Survey, config: DecisionConfig) -> Provenances:
    """Returns the provenance of a survey's metrics."""
    equity = _equity(seen, config)
    trades = Provenance(
        source=_TRADES,
        window=f"{config.tape.length_trades} trades",
        sample_size=seen.trades.trades,
        age_s=_age_s(seen, seen.last_trade_at),
    )
    slope = seen.slope
    return Provenances(
        equity=equity,
        slope=replace(
            equity,
            window=f"{config.equity.slope_window_d} d",
            sample_size=_slope_days(seen, config),
            interval=(slope.low, slope.high) if slope is not None else None,
        ),
        volatility=replace(
            equity,
            window=f"{config.equity.daily_window_d} d",
            sample_size=seen.equity.volatility_points if seen.equity is not None else 0,
        ),
        trades=trades,
        history=replace(trades, window="all"),
    )


def judged_metrics(
    inputs: GradeInputs, points: Mapping[str, int], config: DecisionConfig, of: Provenances
) -> tuple[HealthMetric, ...]:
    """Returns what the grade was judged by, each with the line from which it costs warning points."""
    lines = config.grade
    return (
        _metric("drawdown_pct", inputs.drawdown_pct, of.equity, points, at_most=lines.warning_drawdown_pct),
        _metric(
            "winrate_fraction",
            inputs.winrate_fraction,
            _of_winrate(inputs, of.trades),
            points,
            at_least=lines.low_winrate_fraction,
        ),
        _metric("expectancy", inputs.expectancy, of.trades, points, at_least=0.0),
        _metric(
            "slope_pct_per_day", inputs.slope_pct_per_day, of.slope, points, at_least=lines.falling_slope_pct_per_day
        ),
        _metric("loss_streak", inputs.loss_streak, of.history, points, at_most=lines.loss_streak_trades),
        _metric("days_without_profit", inputs.days_without_profit, of.history, points, at_most=lines.without_profit_d),
        _metric(
            "volatility_ratio", inputs.volatility_ratio, of.volatility, points, at_most=lines.high_volatility_ratio
        ),
    )


def other_metrics(
    seen: Survey, hard_drawdown_pct: float | None, inputs: GradeInputs, config: DecisionConfig, of: Provenances
) -> tuple[HealthMetric, ...]:
    """Returns what else was measured. Only the hard drawdown has a line."""
    equity, trades, ratios = seen.equity, seen.trades, seen.ratios
    daily = replace(of.volatility, sample_size=ratios.days)
    since_reset = replace(of.equity, window="since the last reset")
    halted = config.trading_state.halted_from_drawdown_pct
    return (
        _metric("hard_drawdown_pct", hard_drawdown_pct, since_reset, at_most=halted),
        _metric("full_drawdown_pct", inputs.full_drawdown_pct, of.equity),
        _metric("max_drawdown_pct", equity.max_drawdown_pct if equity is not None else None, of.equity),
        _metric("max_drawdown_money", equity.max_drawdown_money if equity is not None else None, of.equity),
        _metric("nav", equity.nav if equity is not None else None, of.equity),
        _metric("equity", equity.equity if equity is not None else None, of.equity),
        _metric("winrate_unfaded_fraction", trades.winrate_fraction, replace(of.trades, sample_size=trades.decided)),
        _metric("profit_factor", trades.profit_factor, of.trades),
        _metric("payoff_ratio", trades.payoff_ratio, of.trades),
        _metric("sqn", trades.sqn, of.trades),
        _metric("sharpe_ratio", ratios.sharpe, daily),
        _metric("sortino_ratio", ratios.sortino, daily),
        _metric("calmar_ratio", ratios.calmar, daily),
    )


def _metric(
    name: str,
    value: float | None,
    of: Provenance,
    points: Mapping[str, int] | None = None,
    *,
    at_most: float | None = None,
    at_least: float | None = None,
) -> HealthMetric:
    line = at_most if at_most is not None else at_least
    margin = None
    if value is not None and line is not None:
        margin = line - value if at_most is not None else value - line
    return HealthMetric(
        name=name,
        value=value,
        threshold=line,
        margin=margin,
        interval_low=of.interval[0] if of.interval is not None else None,
        interval_high=of.interval[1] if of.interval is not None else None,
        sample_size=of.sample_size,
        window=of.window,
        source=of.source,
        age_s=of.age_s,
        warning_points=points.get(name, 0) if points is not None else 0,
    )


def _of_winrate(inputs: GradeInputs, of: Provenance) -> Provenance:
    rate, trades = inputs.winrate_fraction, inputs.trades_n
    interval = wilson_interval(rate, trades) if rate is not None and trades is not None else None
    return replace(of, interval=interval, sample_size=round(trades or 0.0))


def _equity(seen: Survey, config: DecisionConfig) -> Provenance:
    if seen.equity is None:
        return Provenance(source=seen.equity_source)
    return Provenance(
        source=seen.equity_source,
        window=f"{config.equity.high_water_window_d} d",
        sample_size=seen.equity.readings,
        age_s=_age_s(seen, seen.equity.at),
    )


def _slope_days(seen: Survey, config: DecisionConfig) -> int:
    if seen.equity is None:
        return 0
    oldest = seen.today - config.equity.slope_window_d
    return sum(close.day >= oldest for close in seen.equity.closes)


def _age_s(seen: Survey, at: datetime | None) -> float | None:
    return None if at is None else (seen.as_of - at).total_seconds()
