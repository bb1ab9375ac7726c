"""Maps the unary calls, as bytes."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from msc_client._wire.policy import policy_from, ref_from
from msc_client.errors import PolicyInvalid
from msc_client.evaluation import EvaluationResult, FieldChange, WhatIf
from msc_client.policy import Policy, RiskMode
from msc_policy import v1 as pb

_MODES: dict[int, RiskMode] = {
    pb.RISK_MODE_DEFENSIVE: RiskMode.DEFENSIVE,
    pb.RISK_MODE_NORMAL: RiskMode.NORMAL,
    pb.RISK_MODE_AGGRESSIVE: RiskMode.AGGRESSIVE,
}


def get_policy_request(version: int) -> bytes:
    """Returns the request for one version; 0 is the current one."""
    return pb.GetPolicyRequest(version=version).SerializeToString()


def get_policy_answer(raw: bytes) -> Policy:
    """Returns the policy.

    Raises:
        PolicyInvalid: it cannot be acted upon.
    """
    try:
        return policy_from(pb.GetPolicyResponse.FromString(raw).policy)
    except DecodeError as error:
        raise PolicyInvalid("policy", f"cannot be parsed: {error}") from error


def evaluate_request(*, request_id: str, validate_only: bool, what_if: WhatIf | None, reason: str) -> bytes:
    """Returns the request for an evaluation."""
    request = pb.EvaluateRequest(request_id=request_id, validate_only=validate_only, reason=reason)
    if what_if is not None:
        request.what_if.CopyFrom(
            pb.SuppliedMetrics(
                drawdown_pct=what_if.drawdown_pct,
                winrate_fraction=what_if.winrate_fraction,
                trades_n=what_if.trades_n,
                slope_pct_per_day=what_if.slope_pct_per_day,
                loss_streak=what_if.loss_streak,
                days_without_profit=what_if.days_without_profit,
                expectancy=what_if.expectancy,
                volatility_ratio=what_if.volatility_ratio,
            )
        )
    return request.SerializeToString()


def evaluate_answer(raw: bytes) -> EvaluationResult:
    """Returns what the evaluation decided.

    Raises:
        PolicyInvalid: the candidate makes no sense.
    """
    try:
        answer = pb.EvaluateResponse.FromString(raw)
    except DecodeError as error:
        raise PolicyInvalid("evaluation", f"cannot be parsed: {error}") from error
    return EvaluationResult(
        evaluation_id=answer.evaluation.evaluation_id,
        committed=answer.committed,
        head=ref_from(answer.head) if answer.HasField("head") else None,
        candidate=policy_from(answer.candidate, committed=answer.committed) if answer.HasField("candidate") else None,
        mode_before=_MODES.get(answer.evaluation.mode_before),
        mode_after=_MODES.get(answer.evaluation.mode_after),
        reasons=tuple(reason.text for reason in answer.evaluation.reasons),
        changes=tuple(FieldChange(field=one.field, before=one.before, after=one.after) for one in answer.changes),
        failure=answer.evaluation.failure,
    )
