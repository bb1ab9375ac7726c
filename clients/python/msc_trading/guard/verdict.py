"""Puts a judgement into one value. Pure."""

from __future__ import annotations

from typing import Final

from msc_trading.guard.capacity import Usage
from msc_trading.guard.case import Case, Denial
from msc_trading.guard.decision import Decision
from msc_trading.guard.making import quickly
from msc_trading.guard.reasons import ReasonCode
from msc_trading.guard.reservations import Reservation

_new_decision: Final = quickly(Decision)


def decide(
    case: Case,
    denial: Denial | None,
    *,
    decision_id: str,
    usage: Usage | None,
    reservation: Reservation | None,
    ended_ns: int,
    in_passing: bool = False,
) -> Decision:
    """Returns the decision: what was refused, and why, or what was reserved. `in_passing`: no check wrote a row."""
    return _new_decision(
        decision_id=decision_id,
        intent=case.intent,
        reason_code=ReasonCode.ALLOWED if denial is None else denial.code,
        text="allowed" if denial is None else denial.text,
        headline="" if denial is None else denial.said or denial.text,
        written=None if in_passing else tuple(case.rows),
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
