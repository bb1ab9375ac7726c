"""Maps a policy document, and refuses what cannot be acted upon."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Literal, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from msc_client._messages import Document
from msc_client.errors import PolicyInvalid
from msc_client.policy import (
    EvaluationMetrics,
    Policy,
    Reason,
    Ref,
    RiskMode,
    StrategyGrant,
    StrategyState,
    SystemHealth,
    TradingState,
)
from msc_policy import v1 as pb

_NANOS = 1_000_000_000
_Metric = Literal["system_drawdown", "global_winrate", "equity_slope"]
_MAX_ID_LENGTH = 256

Member = TypeVar("Member", RiskMode, TradingState, StrategyState)

_RISK_MODES: dict[int, RiskMode] = {
    pb.RISK_MODE_DEFENSIVE: RiskMode.DEFENSIVE,
    pb.RISK_MODE_NORMAL: RiskMode.NORMAL,
    pb.RISK_MODE_AGGRESSIVE: RiskMode.AGGRESSIVE,
}
_TRADING_STATES: dict[int, TradingState] = {
    pb.TRADING_STATE_ACTIVE: TradingState.ACTIVE,
    pb.TRADING_STATE_REDUCING: TradingState.REDUCING,
    pb.TRADING_STATE_HALTED: TradingState.HALTED,
}
_GRANTED_STATES: dict[int, StrategyState] = {
    pb.STRATEGY_STATE_ACTIVE: StrategyState.ACTIVE,
    pb.STRATEGY_STATE_PROBATION: StrategyState.PROBATION,
}
_HEALTH: dict[int, SystemHealth] = {
    pb.SYSTEM_HEALTH_CRITICAL: SystemHealth.CRITICAL,
    pb.SYSTEM_HEALTH_POOR: SystemHealth.POOR,
    pb.SYSTEM_HEALTH_NORMAL: SystemHealth.NORMAL,
    pb.SYSTEM_HEALTH_GOOD: SystemHealth.GOOD,
    pb.SYSTEM_HEALTH_EXCELLENT: SystemHealth.EXCELLENT,
}


def ref_from(message: pb.PolicyRef) -> Ref:
    """Returns the reference as a value."""
    return Ref(message.epoch, message.version, message.etag)


def ref_to(ref: Ref) -> pb.PolicyRef:
    """Returns the reference as a message."""
    return pb.PolicyRef(epoch=ref.epoch, version=ref.version, etag=ref.etag)


def seconds_from(duration: Duration) -> float:
    """Returns a duration in seconds."""
    return duration.seconds + duration.nanos / _NANOS


def duration_of(seconds: float) -> Duration:
    """Returns seconds as a duration."""
    # Both parts carry the sign of the whole.
    sign = -1 if seconds < 0 else 1
    whole, nanos = divmod(abs(round(seconds * _NANOS)), _NANOS)
    return Duration(seconds=sign * whole, nanos=sign * nanos)


def timestamp_of(instant: datetime) -> Timestamp:
    """Returns an aware instant as a timestamp."""
    stamp = Timestamp()
    stamp.FromDatetime(instant.astimezone(UTC))
    return stamp


def document_from(message: pb.Policy) -> Document:
    """Returns a policy as it came: read, or with the reason why it cannot be."""
    try:
        policy: Policy | PolicyInvalid = policy_from(message)
    except PolicyInvalid as problem:
        policy = problem
    return Document(ref=ref_from(message.ref), policy=policy, raw=message.SerializeToString())


def document_from_bytes(raw: bytes) -> Document:
    """Returns a serialized policy as it came.

    Raises:
        PolicyInvalid: the bytes are no policy.
    """
    try:
        return document_from(pb.Policy.FromString(raw))
    except DecodeError as error:
        raise PolicyInvalid("policy", f"cannot be parsed: {error}") from error


def policy_from(message: pb.Policy, *, committed: bool = True) -> Policy:
    """Returns the policy as a value that needs no further checks.

    `committed` False takes a candidate, which has neither reference nor commit time.

    Raises:
        PolicyInvalid: it cannot be acted upon; the field is named.
    """
    if committed:
        _check_ref(message)
    allowed = _allowed(message)
    return Policy(
        ref=ref_from(message.ref),
        risk_mode=_known(_RISK_MODES, message.risk_mode, "risk_mode"),
        trading_state=_known(_TRADING_STATES, message.trading_state, "trading_state"),
        allowed_strategies=allowed,
        strategy_grants=_grants(message, allowed),
        max_risk_per_trade=_fraction(message.max_risk_per_trade, "max_risk_per_trade"),
        global_min_confidence=_confidence(message.global_min_confidence),
        max_positions=message.max_positions,
        max_daily_trades=message.max_daily_trades,
        created_at=_created_at(message, required=committed),
        metrics=_metrics(message.evaluation_metrics),
        reasons=tuple(_reason(reason, index) for index, reason in enumerate(message.reasons)),
        author=message.author,
        rollback_of=message.rollback_of,
        valid_for_s=_valid_for_s(message, required=committed),
    )


def _check_ref(message: pb.Policy) -> None:
    if message.ref.version == 0:
        raise PolicyInvalid("ref.version", "is missing")
    if not message.ref.etag:
        raise PolicyInvalid("ref.etag", "is missing")


def _known(members: dict[int, Member], number: int, field: str) -> Member:
    member = members.get(number)
    if member is None:
        raise PolicyInvalid(field, f"unknown value {number}", upgrade=number != 0)
    return member


def _finite(value: float, field: str) -> float:
    if not math.isfinite(value):
        raise PolicyInvalid(field, f"{value} is not a number to act on")
    return value


def _fraction(value: float, field: str) -> float:
    if not 0.0 <= _finite(value, field) <= 1.0:
        raise PolicyInvalid(field, f"{value} is not a fraction between 0 and 1")
    return value


def _confidence(value: float) -> float:
    # 0 would let every signal pass, and is also what a sender that forgot the field has sent.
    if _fraction(value, "global_min_confidence") == 0.0:
        raise PolicyInvalid("global_min_confidence", "is missing or 0")
    return value


def _allowed(message: pb.Policy) -> tuple[str, ...]:
    allowed = tuple(message.allowed_strategies)
    for index, id_ in enumerate(allowed):
        if not id_.strip() or len(id_) > _MAX_ID_LENGTH:
            raise PolicyInvalid(f"allowed_strategies[{index}]", f"needs 1 to {_MAX_ID_LENGTH} characters")
    if len(set(allowed)) != len(allowed):
        twice = next(id_ for id_ in allowed if allowed.count(id_) > 1)
        raise PolicyInvalid("allowed_strategies", f"{twice} is listed twice")
    return allowed


def _grants(message: pb.Policy, allowed: tuple[str, ...]) -> tuple[StrategyGrant, ...]:
    if tuple(grant.strategy_id for grant in message.strategy_grants) != allowed:
        raise PolicyInvalid("strategy_grants", "must name the allowed strategies, each once and in their order")
    return tuple(_grant(grant, f"strategy_grants[{index}]") for index, grant in enumerate(message.strategy_grants))


def _grant(message: pb.StrategyGrant, field: str) -> StrategyGrant:
    return StrategyGrant(
        strategy_id=message.strategy_id,
        state=_granted_state(message.state, f"{field}.state"),
        risk_multiplier=_fraction(message.risk_multiplier, f"{field}.risk_multiplier"),
        max_positions=message.max_positions,
        max_daily_trades_fraction=_fraction(message.max_daily_trades_fraction, f"{field}.max_daily_trades_fraction"),
    )


def _granted_state(number: int, field: str) -> StrategyState:
    if number in (pb.STRATEGY_STATE_BENCHED, pb.STRATEGY_STATE_SHADOW, pb.STRATEGY_STATE_RETIRED):
        raise PolicyInvalid(field, "a strategy in this state may not be allowed")
    return _known(_GRANTED_STATES, number, field)


def _created_at(message: pb.Policy, *, required: bool) -> datetime | None:
    if not message.HasField("created_at"):
        if required:
            raise PolicyInvalid("created_at", "is missing")
        return None
    try:
        return message.created_at.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise PolicyInvalid("created_at", f"is no instant: {error}") from error


def _valid_for_s(message: pb.Policy, *, required: bool) -> float:
    valid_for_s = seconds_from(message.valid_for)
    if required and valid_for_s <= 0:
        raise PolicyInvalid("valid_for", "is missing or not positive")
    return valid_for_s


def _metrics(message: pb.EvaluationMetrics) -> EvaluationMetrics:
    def optional(name: _Metric, value: float) -> float | None:
        return _finite(value, f"evaluation_metrics.{name}") if message.HasField(name) else None

    return EvaluationMetrics(
        system_drawdown=optional("system_drawdown", message.system_drawdown),
        global_winrate=optional("global_winrate", message.global_winrate),
        equity_slope=optional("equity_slope", message.equity_slope),
        # Nobody acts on the grade: one that only a newer client knows is no reason to refuse the limits.
        system_health=_HEALTH.get(message.system_health, SystemHealth.UNKNOWN),
        trades_n=message.trades_n if message.HasField("trades_n") else None,
        equity_source=message.equity_source,
    )


def _reason(message: pb.Reason, index: int) -> Reason:
    field = f"reasons[{index}]"
    return Reason(
        code=message.code,
        text=message.text,
        metric=message.metric,
        value=_finite(message.value, f"{field}.value") if message.HasField("value") else None,
        threshold=_finite(message.threshold, f"{field}.threshold") if message.HasField("threshold") else None,
    )
