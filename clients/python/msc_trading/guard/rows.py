"""What each check found in an entry that was granted, told when somebody asks. Pure."""

from __future__ import annotations

from dataclasses import replace

from msc_client.view import PolicyView
from msc_trading.guard.capacity import Usage, capacity_denial
from msc_trading.guard.case import Case
from msc_trading.guard.checks import first_denial
from msc_trading.guard.config import GuardConfig
from msc_trading.guard.facts import GuardFacts, KillState
from msc_trading.guard.intent import OrderIntent
from msc_trading.guard.lanes import entry_lane_denial
from msc_trading.guard.limits import InForce, Limits
from msc_trading.guard.reasons import CheckRow

SOUND: CheckRow = ("shape", "sound", "sound", True)
"""What is written of an intent that makes sense."""


def rows_of(
    intent: OrderIntent,
    facts: GuardFacts,
    *,
    view: PolicyView,
    limits: Limits,
    usage: Usage,
    config: GuardConfig,
    now_ns: int,
) -> tuple[CheckRow, ...]:
    """Returns every check of an entry that passed them all, in order, with its value and its limit."""
    # Nothing was stopped or locked, or it had not passed; what the host has stopped since is not of that instant.
    then = replace(facts, kill=KillState(), locks={})
    case = Case(intent, then, InForce(view=view, limits=limits, regressed=False), config, frozenset(), now_ns)
    case.rows.append(SOUND)
    if (entry_lane_denial(case) or first_denial(case) or capacity_denial(case, usage)) is not None:
        raise AssertionError(f"{intent.client_order_id}: was granted, and does not pass: {case.rows[-1]}")
    return tuple(case.rows)
