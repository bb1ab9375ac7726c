"""Puts a judgement into one value. Pure."""

from __future__ import annotations

from typing import Final

from msc_trading.guard.capacity import Usage
from msc_trading.guard.case import Case, Denial
from msc_trading.guard.decision import Decision
from msc_trading.guard.reasons import ReasonCode
from msc_trading.guard.reservations import Reservation

_ALLOWED: Final = ReasonCode.ALLOWED


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
    return Decision(
        decision_id=decision_id,
        intent=case.intent,
        reason_code=_ALLOWED if denial is None else denial.code,
        text="allowed" if denial is None else denial.text,
        headline="" if denial is None else denial.said or denial.text,
        written=tuple(case.rows),
        facts=case.facts,
        view=case.in_force.view,
        limits=case.in_force.limits,
        config=case.config,
        usage=usage,
        reservation=reservation,
        # Set by checks that may not have been reached.
        notional=getattr(case, "notional", None),
        risk_amount=getattr(case, "risk_amount", None),
        equity=getattr(case, "equity", None),
        started_ns=case.now_ns,
        ended_ns=ended_ns,
    )


def grant(case: Case, decision_id: str, usage: Usage, reservation: Reservation, ended_ns: int) -> Decision:
    """Returns the decision on an entry that passed everything in passing: no check wrote a row."""
    in_force = case.in_force
    # By position, as the fields stand: names take longer than all the rest.
    return Decision(
        decision_id,
        case.intent,
        _ALLOWED,
        "allowed",
        "",
        None,
        case.facts,
        in_force.view,
        in_force.limits,
        case.config,
        usage,
        reservation,
        case.notional,
        case.risk_amount,
        case.equity,
        case.now_ns,
        ended_ns,
    )
