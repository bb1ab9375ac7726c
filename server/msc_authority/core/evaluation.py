"""What an evaluation says: metrics beside their thresholds, the ranking, transitions, the candidate policy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from msc_authority.core.policy import PolicyContent, Reason, RiskMode, StrategyState, SystemHealth


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthMetric:
    """One measured number beside the line it is judged by. None: unknown, or not judged."""

    name: str
    value: float | None
    threshold: float | None = None
    margin: float | None = None
    interval_low: float | None = None
    interval_high: float | None = None
    sample_size: int = 0
    window: str = ""
    source: str = ""
    age_s: float | None = None
    warning_points: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyRanking:
    """One strategy with every part of its score. R is net PnL divided by the risk at entry."""

    strategy_id: str
    rank: int
    state: StrategyState
    state_since: datetime
    allowed: bool
    score: float
    posterior_lower_r: float
    posterior_mean_r: float
    drawdown_penalty_r: float
    selection_penalty_r: float
    probability_positive: float
    prior_mean_r: float
    effective_n: float
    live_trades: int
    shadow_trades: int
    winrate_fraction: float | None
    net_pnl: Decimal
    drawdown_r: float
    fallback_fraction: float
    last_trade_at: datetime | None
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyTransition:
    """One step in a strategy's life. `before` is None for a strategy seen for the first time."""

    strategy_id: str
    before: StrategyState | None
    after: StrategyState
    at: datetime
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppliedMetrics:
    """Metrics for a what-if. One that is None is left out of account. Units are in the names."""

    drawdown_pct: float | None = None
    winrate_fraction: float | None = None
    trades_n: int | None = None
    slope_pct_per_day: float | None = None
    loss_streak: int | None = None
    days_without_profit: float | None = None
    expectancy: float | None = None
    volatility_ratio: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the controller decided and why, before anything is written."""

    as_of: datetime
    system_health: SystemHealth
    warning_points: int
    mode_before: RiskMode | None
    mode_target: RiskMode
    mode_after: RiskMode
    metrics: tuple[HealthMetric, ...]
    reasons: tuple[Reason, ...]
    candidate: PolicyContent
    strategies: tuple[StrategyRanking, ...]
    transitions: tuple[StrategyTransition, ...]
