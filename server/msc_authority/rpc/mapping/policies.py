"""Policies, references and history, to the wire."""

from __future__ import annotations

from collections.abc import Iterable

from msc_authority.app.broker import Freshness
from msc_authority.core.policy import (
    FieldChange,
    Policy,
    PolicyContent,
    PolicyMetrics,
    PolicyRef,
    Reason,
    RiskMode,
    StrategyGrant,
    StrategyState,
    SystemHealth,
    TradingState,
)
from msc_authority.ports.policies import Revision
from msc_authority.rpc.mapping.basics import duration_to_proto, instant_to_proto
from msc_policy import v1 as pb

RISK_MODES = {mode: pb.RiskMode.Value(f"RISK_MODE_{mode.name}") for mode in RiskMode}
TRADING_STATES = {state: pb.TradingState.Value(f"TRADING_STATE_{state.name}") for state in TradingState}
SYSTEM_HEALTHS = {health: pb.SystemHealth.Value(f"SYSTEM_HEALTH_{health.name}") for health in SystemHealth}
STRATEGY_STATES = {state: pb.StrategyState.Value(f"STRATEGY_STATE_{state.name}") for state in StrategyState}


def ref_to_proto(ref: PolicyRef, etag: str = "") -> pb.PolicyRef:
    """Returns a reference."""
    return pb.PolicyRef(epoch=ref.epoch, version=ref.version, etag=etag)


def ref_of(ref: pb.PolicyRef) -> PolicyRef:
    """Returns a reference from the wire."""
    return PolicyRef(ref.epoch, ref.version)


def freshness_to_proto(freshness: Freshness) -> pb.Freshness:
    """Returns how far a replica can vouch for its head."""
    message = pb.Freshness(replica_age=duration_to_proto(freshness.replica_age_s))
    if freshness.ttl_s is not None:
        message.ttl.CopyFrom(duration_to_proto(freshness.ttl_s))
    return message


def policy_to_proto(policy: Policy) -> pb.Policy:
    """Returns a committed policy."""
    message = content_to_proto(policy.content)
    message.ref.CopyFrom(ref_to_proto(policy.ref, policy.etag))
    message.created_at.CopyFrom(instant_to_proto(policy.created_at))
    message.valid_for.CopyFrom(duration_to_proto(policy.valid_for_s))
    return message


def content_to_proto(content: PolicyContent) -> pb.Policy:
    """Returns what a policy says, without a reference."""
    return pb.Policy(
        risk_mode=RISK_MODES[content.risk_mode],
        allowed_strategies=content.allowed_strategies,
        max_risk_per_trade=content.limits.max_risk_per_trade,
        global_min_confidence=content.limits.global_min_confidence,
        max_positions=content.limits.max_positions,
        max_daily_trades=content.limits.max_daily_trades,
        evaluation_metrics=_metrics_to_proto(content.metrics),
        trading_state=TRADING_STATES[content.trading_state],
        strategy_grants=map(_grant_to_proto, content.grants),
        reasons=map(reason_to_proto, content.reasons),
        author=content.author,
        rollback_of=content.rollback_of,
    )


def _metrics_to_proto(metrics: PolicyMetrics) -> pb.EvaluationMetrics:
    return pb.EvaluationMetrics(
        system_drawdown=metrics.system_drawdown,
        global_winrate=metrics.global_winrate,
        equity_slope=metrics.equity_slope,
        system_health=SYSTEM_HEALTHS[metrics.system_health],
        trades_n=metrics.trades_n,
        equity_source=metrics.equity_source,
    )


def _grant_to_proto(grant: StrategyGrant) -> pb.StrategyGrant:
    return pb.StrategyGrant(
        strategy_id=grant.strategy_id,
        state=STRATEGY_STATES[grant.state],
        risk_multiplier=grant.risk_multiplier,
        max_positions=grant.max_positions,
        max_daily_trades_fraction=grant.max_daily_trades_fraction,
    )


def reason_to_proto(reason: Reason) -> pb.Reason:
    """Returns a reason."""
    return pb.Reason(
        code=reason.code, text=reason.text, metric=reason.metric, value=reason.value, threshold=reason.threshold
    )


def changes_to_proto(changes: Iterable[FieldChange]) -> list[pb.FieldChange]:
    """Returns how fields changed."""
    return [pb.FieldChange(field=change.field, before=change.before, after=change.after) for change in changes]


def revision_to_proto(revision: Revision) -> pb.PolicyRevision:
    """Returns a policy in history."""
    return pb.PolicyRevision(policy=policy_to_proto(revision.policy), changes=changes_to_proto(revision.changes))
