"""Policies and their history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import Field

from msc_authority.core.policy import (
    Policy,
    PolicyContent,
    PolicyMetrics,
    RiskMode,
    StrategyGrant,
    StrategyState,
    SystemHealth,
)
from msc_authority.http.models.basics import Answer, ChangeAnswer, Count, Fraction, Instant, ReasonAnswer, RefAnswer
from msc_authority.ports.policies import Revision

RiskModeName = Literal["DEFENSIVE", "NORMAL", "AGGRESSIVE"]
TradingStateName = Literal["ACTIVE", "REDUCING", "HALTED"]

MODE_NAMES: Mapping[RiskMode, RiskModeName] = {
    RiskMode.DEFENSIVE: "DEFENSIVE",
    RiskMode.NORMAL: "NORMAL",
    RiskMode.AGGRESSIVE: "AGGRESSIVE",
}


class PolicyMetricsAnswer(Answer):
    """What a policy was decided from."""

    system_drawdown: Annotated[float | None, Field(description="Drawdown, percent.")]
    global_winrate: Annotated[float | None, Field(description="Share of winning trades, fraction.")]
    equity_slope: Annotated[float | None, Field(description="Slope of equity, percent a day.")]
    system_health: SystemHealth
    trades_n: Annotated[int | None, Field(description="Trades behind the win rate.")]
    equity_source: Annotated[str, Field(description="Where equity was read from.")]

    @classmethod
    def of(cls, metrics: PolicyMetrics) -> Self:
        """Returns the answer for a policy's metrics."""
        return cls(
            system_drawdown=metrics.system_drawdown,
            global_winrate=metrics.global_winrate,
            equity_slope=metrics.equity_slope,
            system_health=metrics.system_health,
            trades_n=metrics.trades_n,
            equity_source=metrics.equity_source,
        )


class GrantAnswer(Answer):
    """What one allowed strategy may do."""

    strategy_id: str
    state: StrategyState
    risk_multiplier: Annotated[float, Field(description="Factor on max_risk_per_trade.")]
    max_positions: Annotated[Count, Field(description="Open positions of its own; 0: no limit of its own.")]
    max_daily_trades_fraction: Annotated[Fraction, Field(description="Share of max_daily_trades it may use.")]

    @classmethod
    def of(cls, grant: StrategyGrant) -> Self:
        """Returns the answer for a grant."""
        return cls(
            strategy_id=grant.strategy_id,
            state=grant.state,
            risk_multiplier=grant.risk_multiplier,
            max_positions=grant.max_positions,
            max_daily_trades_fraction=grant.max_daily_trades_fraction,
        )


class ContentAnswer(Answer):
    """What a policy says, before it has a version."""

    risk_mode: RiskModeName
    trading_state: TradingStateName
    allowed_strategies: Annotated[list[str], Field(description="Ids that may open positions, best first.")]
    max_risk_per_trade: Annotated[float, Field(description="Fraction of equity.")]
    global_min_confidence: Annotated[Fraction, Field(description="Least confidence of a signal, fraction.")]
    max_positions: Annotated[Count, Field(description="Positions open at once.")]
    max_daily_trades: Annotated[Count, Field(description="Trades a day.")]
    evaluation_metrics: PolicyMetricsAnswer
    strategy_grants: list[GrantAnswer]
    reasons: list[ReasonAnswer]
    author: Annotated[str, Field(description="Who decided it.")]
    rollback_of: Annotated[int | None, Field(description="Version it brings back; null: none.")]

    @classmethod
    def of_content(cls, content: PolicyContent) -> ContentAnswer:
        """Returns the answer for what a policy says."""
        return ContentAnswer.model_validate(_fields(content))


class PolicyAnswer(ContentAnswer):
    """One committed revision of the policy."""

    ref: RefAnswer
    created_at: Instant
    valid_for_s: Annotated[
        float,
        Field(description="Seconds of the authority's clock it is valid for, after the evaluation that confirmed it."),
    ]

    @classmethod
    def of(cls, policy: Policy) -> Self:
        """Returns the answer for a policy."""
        return cls.model_validate(
            _fields(policy.content)
            | {
                "ref": RefAnswer.of(policy.ref, policy.etag),
                "created_at": policy.created_at,
                "valid_for_s": policy.valid_for_s,
            }
        )


def _fields(content: PolicyContent) -> dict[str, object]:
    limits = content.limits
    return {
        "risk_mode": MODE_NAMES[content.risk_mode],
        "trading_state": content.trading_state.name,
        "allowed_strategies": list(content.allowed_strategies),
        "max_risk_per_trade": limits.max_risk_per_trade,
        "global_min_confidence": limits.global_min_confidence,
        "max_positions": limits.max_positions,
        "max_daily_trades": limits.max_daily_trades,
        "evaluation_metrics": PolicyMetricsAnswer.of(content.metrics),
        "strategy_grants": [GrantAnswer.of(grant) for grant in content.grants],
        "reasons": [ReasonAnswer.of(reason) for reason in content.reasons],
        "author": content.author,
        "rollback_of": content.rollback_of or None,
    }


class RevisionAnswer(Answer):
    """A policy in history and how it differed from the one before."""

    policy: PolicyAnswer
    changes: list[ChangeAnswer]

    @classmethod
    def of(cls, revision: Revision) -> Self:
        """Returns the answer for a revision."""
        changes = [ChangeAnswer.of(change) for change in revision.changes]
        return cls(policy=PolicyAnswer.of(revision.policy), changes=changes)


class HistoryAnswer(Answer):
    """A page of history, newest first."""

    revisions: list[RevisionAnswer]
    next_before: Annotated[str | None, Field(description="`before` of the next page; null: this is the last one.")]

    @classmethod
    def of(cls, found: Sequence[Revision], limit: int) -> Self:
        """Returns a page of the first `limit` of those found; one more than that says that there is another page."""
        page = found[:limit]
        last = page[-1].policy.ref if len(found) > limit else None
        return cls(
            revisions=[RevisionAnswer.of(revision) for revision in page],
            next_before=f"{last.epoch}:{last.version}" if last else None,
        )
