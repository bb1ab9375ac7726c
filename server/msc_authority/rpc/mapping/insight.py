"""Evaluations, metrics and rankings, to the wire; supplied metrics, from it."""

from __future__ import annotations

from msc_authority.core.evaluation import HealthMetric, StrategyRanking, SuppliedMetrics, Verdict
from msc_authority.ports.evaluations import EvaluationEntry
from msc_authority.rpc.mapping.basics import duration_to_proto, instant_to_proto
from msc_authority.rpc.mapping.policies import RISK_MODES, STRATEGY_STATES, SYSTEM_HEALTHS, reason_to_proto
from msc_policy import v1 as pb


def evaluation_to_proto(entry: EvaluationEntry) -> pb.Evaluation:
    """Returns an evaluation, with its verdict if it has one."""
    message = _verdict_to_proto(entry.verdict) if entry.verdict else pb.Evaluation()
    message.evaluation_id = entry.evaluation_id
    message.as_of.CopyFrom(instant_to_proto(entry.verdict.as_of if entry.verdict else entry.started_at))
    message.committed_version = entry.committed.version if entry.committed else 0
    message.duration.CopyFrom(duration_to_proto(entry.duration_s))
    message.trigger = entry.trigger
    message.failure = entry.failure
    return message


def _verdict_to_proto(verdict: Verdict) -> pb.Evaluation:
    return pb.Evaluation(
        system_health=SYSTEM_HEALTHS[verdict.system_health],
        mode_before=RISK_MODES[verdict.mode_before] if verdict.mode_before else pb.RISK_MODE_UNSPECIFIED,
        mode_after=RISK_MODES[verdict.mode_after],
        mode_target=RISK_MODES[verdict.mode_target],
        reasons=map(reason_to_proto, verdict.reasons),
        metrics=map(metric_to_proto, verdict.metrics),
        warning_points=verdict.warning_points,
    )


def metric_to_proto(metric: HealthMetric) -> pb.HealthMetric:
    """Returns a metric beside its threshold."""
    return pb.HealthMetric(
        name=metric.name,
        value=metric.value,
        threshold=metric.threshold,
        margin=metric.margin,
        interval_low=metric.interval_low,
        interval_high=metric.interval_high,
        sample_size=metric.sample_size,
        window=metric.window,
        source=metric.source,
        age=None if metric.age_s is None else duration_to_proto(metric.age_s),
        warning_points=metric.warning_points,
    )


def ranking_to_proto(ranking: StrategyRanking) -> pb.StrategyRanking:
    """Returns one strategy with every part of its score."""
    return pb.StrategyRanking(
        strategy_id=ranking.strategy_id,
        rank=ranking.rank,
        state=STRATEGY_STATES[ranking.state],
        state_since=instant_to_proto(ranking.state_since),
        allowed=ranking.allowed,
        score=ranking.score,
        posterior_lower_r=ranking.posterior_lower_r,
        posterior_mean_r=ranking.posterior_mean_r,
        drawdown_penalty_r=ranking.drawdown_penalty_r,
        selection_penalty_r=ranking.selection_penalty_r,
        probability_positive=ranking.probability_positive,
        prior_mean_r=ranking.prior_mean_r,
        effective_n=ranking.effective_n,
        live_trades=ranking.live_trades,
        shadow_trades=ranking.shadow_trades,
        winrate_fraction=ranking.winrate_fraction,
        net_pnl=format(ranking.net_pnl, "f"),
        drawdown_r=ranking.drawdown_r,
        fallback_fraction=ranking.fallback_fraction,
        last_trade_at=None if ranking.last_trade_at is None else instant_to_proto(ranking.last_trade_at),
        reason=reason_to_proto(ranking.reason),
    )


def supplied_of(message: pb.SuppliedMetrics) -> SuppliedMetrics:
    """Returns supplied metrics; one that is not set is None. Whether they make sense the core says."""
    return SuppliedMetrics(
        drawdown_pct=message.drawdown_pct if message.HasField("drawdown_pct") else None,
        winrate_fraction=message.winrate_fraction if message.HasField("winrate_fraction") else None,
        trades_n=message.trades_n if message.HasField("trades_n") else None,
        slope_pct_per_day=message.slope_pct_per_day if message.HasField("slope_pct_per_day") else None,
        loss_streak=message.loss_streak if message.HasField("loss_streak") else None,
        days_without_profit=message.days_without_profit if message.HasField("days_without_profit") else None,
        expectancy=message.expectancy if message.HasField("expectancy") else None,
        volatility_ratio=message.volatility_ratio if message.HasField("volatility_ratio") else None,
    )
