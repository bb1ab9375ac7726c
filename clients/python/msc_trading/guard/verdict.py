"""Puts a judgement into words and numbers. Pure."""

from __future__ import annotations

from msc_client.tier import Tier
from msc_trading.guard.capacity import Usage
from msc_trading.guard.case import Case, Denial
from msc_trading.guard.decision import Counters, Decision, Lane, ReasonCode
from msc_trading.guard.reservations import Reservation


def decide(
    case: Case,
    denial: Denial | None,
    *,
    decision_id: str,
    usage: Usage | None,
    reservation: Reservation | None,
    ended_ns: int,
) -> Decision:
    """Returns the decision: what was refused, and why, or what was reserved."""
    view, intent = case.in_force.view, case.intent
    # Set by checks that may not have been reached.
    notional, risk, equity = (getattr(case, name, None) for name in ("notional", "risk_amount", "equity"))
    return Decision(
        decision_id=decision_id,
        intent=intent,
        lane=Lane.REDUCE if intent.only_reduces else Lane.ENTRY,
        allowed=denial is None,
        reason_code=ReasonCode.ALLOWED if denial is None else denial.code,
        text="allowed" if denial is None else denial.text,
        headline="" if denial is None else denial.said or denial.text,
        at=case.facts.now,
        rows=tuple(case.rows),
        reservation_id=None if reservation is None else reservation.reservation_id,
        expires_at_ns=None if reservation is None else reservation.expires_ns,
        policy_ref=view.ref,
        policy_tier=view.tier,
        policy_age_s=view.age_s(case.now_ns),
        risk_mode=case.in_force.limits.policy.risk_mode,
        degraded=view.tier is not Tier.FRESH,
        notional=notional,
        risk_fraction=None if risk is None or equity is None else risk / equity,
        equity=equity,
        equity_age_s=case.facts.equity_age_s,
        counters_before=None if usage is None else _counters(case, usage, granted=False),
        counters_after=None if usage is None else _counters(case, usage, granted=reservation is not None),
        latency_us=(ended_ns - case.now_ns) / 1000,
    )


def _counters(case: Case, usage: Usage, *, granted: bool) -> Counters:
    limits = case.in_force.limits
    return Counters(
        usage.confirmed,
        usage.reserved + (granted and not usage.holds_slot),
        limits.max_positions,
        None if usage.daily_used is None else usage.daily_used + granted,
        limits.max_daily_trades,
    )
