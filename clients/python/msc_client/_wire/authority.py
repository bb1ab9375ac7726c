"""The other end's messages, as bytes: what tests let an authority say, and what they learn of its clients."""

from __future__ import annotations

from dataclasses import dataclass

from msc_client._messages import Freshness, SnapshotReason
from msc_client._wire.policy import duration_of, ref_from, ref_to, seconds_from, timestamp_of
from msc_client.policy import Policy, Reason, Ref, StrategyGrant, StrategyState
from msc_policy import v1 as pb


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOpening:
    """What a client said when it opened a watch."""

    known: Ref | None
    instance_id: str
    name: str
    heartbeat_interval_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientReport:
    """What a client said of itself."""

    instance_id: str
    name: str
    tier: str
    applied: Ref | None
    last_error: str
    rejected: int


def watch_opening(raw: bytes) -> WatchOpening:
    """Returns what the request says."""
    request = pb.WatchPolicyRequest.FromString(raw)
    return WatchOpening(
        known=ref_from(request.known) if request.HasField("known") else None,
        instance_id=request.client.instance_id,
        name=request.client.name,
        heartbeat_interval_s=seconds_from(request.heartbeat_interval),
    )


def client_report(raw: bytes) -> ClientReport:
    """Returns what the report says."""
    request = pb.ReportClientStatusRequest.FromString(raw)
    status = request.status
    return ClientReport(
        instance_id=request.client.instance_id,
        name=request.client.name,
        tier=pb.ClientTier.Name(status.tier).removeprefix("CLIENT_TIER_"),
        applied=ref_from(status.applied) if status.HasField("applied") else None,
        last_error=status.last_error,
        rejected=status.counters.rejected,
    )


def report_answer(head: Ref | None, next_report_after_s: float) -> bytes:
    """Returns the answer to a report."""
    answer = pb.ReportClientStatusResponse(next_report_after=duration_of(next_report_after_s))
    if head is not None:
        answer.head.CopyFrom(ref_to(head))
    return answer.SerializeToString()


def get_policy_response(policy: Policy, freshness: Freshness) -> bytes:
    """Returns the answer that holds this policy."""
    return pb.GetPolicyResponse(
        policy=policy_message(policy), head=ref_to(policy.ref), freshness=_freshness(freshness)
    ).SerializeToString()


def evaluate_response(candidate: Policy, *, request: bytes) -> bytes:
    """Returns the answer of an evaluation that would lead to this policy, and that committed nothing."""
    asked = pb.EvaluateRequest.FromString(request)
    evaluation = pb.Evaluation(evaluation_id=asked.request_id, reasons=[pb.Reason(code="ASKED", text=asked.reason)])
    return pb.EvaluateResponse(
        evaluation=evaluation, candidate=policy_message(candidate), head=ref_to(candidate.ref)
    ).SerializeToString()


def snapshot_bytes(
    policy: Policy,
    *,
    reason: SnapshotReason = SnapshotReason.UPDATE,
    head: Ref | None = None,
    freshness: Freshness | None,
    info: tuple[str, float] | None = None,
) -> bytes:
    """Returns a snapshot of this policy. `info` is the replica's id and its heartbeat interval in seconds."""
    message = _message(head or policy.ref, freshness, info)
    message.snapshot.policy.CopyFrom(policy_message(policy))
    message.snapshot.reason = pb.SnapshotReason.Value(f"SNAPSHOT_REASON_{reason.value}")
    return message.SerializeToString()


def unchanged_bytes(head: Ref, *, freshness: Freshness | None, info: tuple[str, float] | None = None) -> bytes:
    """Returns the message that what the client holds is the head."""
    message = _message(head, freshness, info)
    message.unchanged.SetInParent()
    return message.SerializeToString()


def heartbeat_bytes(
    head: Ref, *, freshness: Freshness | None, info: tuple[str, float] | None = None, seq: int = 1
) -> bytes:
    """Returns a sign of life."""
    message = _message(head, freshness, info)
    message.heartbeat.seq = seq
    return message.SerializeToString()


def goodbye_bytes(head: Ref, *, reason: str, reconnect_after_s: float, freshness: Freshness | None) -> bytes:
    """Returns the end of a stream, in the contract's words ("DRAINING")."""
    message = _message(head, freshness, None)
    message.goodbye.reason = pb.GoodbyeReason.Value(f"GOODBYE_REASON_{reason}")
    message.goodbye.reconnect_after.CopyFrom(duration_of(reconnect_after_s))
    return message.SerializeToString()


def policy_message(policy: Policy) -> pb.Policy:
    """Returns the policy as the authority would send it."""
    metrics = policy.metrics
    message = pb.Policy(
        ref=ref_to(policy.ref),
        risk_mode=pb.RiskMode.Value(f"RISK_MODE_{policy.risk_mode.name}"),
        allowed_strategies=policy.allowed_strategies,
        max_risk_per_trade=policy.max_risk_per_trade,
        global_min_confidence=policy.global_min_confidence,
        max_positions=policy.max_positions,
        max_daily_trades=policy.max_daily_trades,
        evaluation_metrics=pb.EvaluationMetrics(
            system_drawdown=metrics.system_drawdown,
            global_winrate=metrics.global_winrate,
            equity_slope=metrics.equity_slope,
            system_health=pb.SystemHealth.Value(f"SYSTEM_HEALTH_{metrics.system_health.value}"),
            trades_n=metrics.trades_n,
            equity_source=metrics.equity_source,
        ),
        trading_state=pb.TradingState.Value(f"TRADING_STATE_{policy.trading_state.name}"),
        strategy_grants=[_grant(grant) for grant in policy.strategy_grants],
        reasons=[_reason(reason) for reason in policy.reasons],
        author=policy.author,
        rollback_of=policy.rollback_of,
        valid_for=duration_of(policy.valid_for_s),
    )
    if policy.created_at is not None:
        message.created_at.CopyFrom(timestamp_of(policy.created_at))
    return message


def _message(head: Ref, freshness: Freshness | None, info: tuple[str, float] | None) -> pb.WatchPolicyResponse:
    message = pb.WatchPolicyResponse(head=ref_to(head))
    if freshness is not None:
        message.freshness.CopyFrom(_freshness(freshness))
    if info is not None:
        server_id, interval_s = info
        message.info.CopyFrom(pb.StreamInfo(server_id=server_id, heartbeat_interval=duration_of(interval_s)))
    return message


def _freshness(freshness: Freshness) -> pb.Freshness:
    return pb.Freshness(replica_age=duration_of(freshness.replica_age_s), ttl=duration_of(freshness.ttl_s))


def _grant(grant: StrategyGrant) -> pb.StrategyGrant:
    active = grant.state is StrategyState.ACTIVE
    return pb.StrategyGrant(
        strategy_id=grant.strategy_id,
        state=pb.STRATEGY_STATE_ACTIVE if active else pb.STRATEGY_STATE_PROBATION,
        risk_multiplier=grant.risk_multiplier,
        max_positions=grant.max_positions,
        max_daily_trades_fraction=grant.max_daily_trades_fraction,
    )


def _reason(reason: Reason) -> pb.Reason:
    return pb.Reason(
        code=reason.code, text=reason.text, metric=reason.metric, value=reason.value, threshold=reason.threshold
    )
