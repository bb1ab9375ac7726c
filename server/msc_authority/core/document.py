"""The policy document of a decision."""

from __future__ import annotations

from dataclasses import replace

from msc_authority.core.effective import Effective
from msc_authority.core.evaluation import StrategyRanking
from msc_authority.core.grade import GradeInputs, Grading
from msc_authority.core.policy import PolicyContent, PolicyMetrics, Reason


def content_of(
    effective: Effective,
    inputs: GradeInputs,
    grading: Grading,
    equity_source: str,
    reasons: tuple[Reason, ...],
    *,
    rollback_of: int = 0,
) -> PolicyContent:
    """Returns what the policy says: the permission, and the metrics and reasons it was decided from."""
    trades = inputs.trades_n
    return PolicyContent(
        risk_mode=effective.mode,
        trading_state=effective.trading_state,
        limits=effective.limits,
        grants=effective.grants,
        metrics=PolicyMetrics(
            system_drawdown=inputs.drawdown_pct,
            global_winrate=inputs.winrate_fraction,
            equity_slope=inputs.slope_pct_per_day,
            system_health=grading.health,
            trades_n=round(trades) if trades is not None else None,
            equity_source=equity_source,
        ),
        reasons=reasons,
        rollback_of=rollback_of,
    )


def rankings_as_granted(rankings: tuple[StrategyRanking, ...], effective: Effective) -> tuple[StrategyRanking, ...]:
    """Returns the rankings, `allowed` being what the policy really allows."""
    allowed = {grant.strategy_id for grant in effective.grants}
    return tuple(
        ranking
        if ranking.allowed == (ranking.strategy_id in allowed)
        else replace(ranking, allowed=not ranking.allowed)
        for ranking in rankings
    )
