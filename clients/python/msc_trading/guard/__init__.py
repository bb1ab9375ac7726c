"""The risk guard: judges every order before it is sent, and keeps count of what it granted."""

from msc_trading.guard.case import Latch
from msc_trading.guard.config import GuardConfig
from msc_trading.guard.decision import Check, Counters, Decision, Lane, ReasonCode
from msc_trading.guard.facade import RiskGuardService
from msc_trading.guard.facts import ConfirmedPositions, GuardFacts, KillState
from msc_trading.guard.guard import RiskGuard
from msc_trading.guard.intent import OrderIntent, PositionSide
from msc_trading.guard.journal import BLOCKED, blocked_execution
from msc_trading.guard.latch_file import LatchesUnreadable, LatchFile
from msc_trading.guard.limits import Limits, Policies
from msc_trading.guard.reservations import Reservation, ReservationState
from msc_trading.guard.risk import loss_at_stop, quantity_for

__all__ = [
    "BLOCKED",
    "Check",
    "ConfirmedPositions",
    "Counters",
    "Decision",
    "GuardConfig",
    "GuardFacts",
    "KillState",
    "Lane",
    "Latch",
    "LatchFile",
    "LatchesUnreadable",
    "Limits",
    "OrderIntent",
    "Policies",
    "PositionSide",
    "ReasonCode",
    "Reservation",
    "ReservationState",
    "RiskGuard",
    "RiskGuardService",
    "blocked_execution",
    "loss_at_stop",
    "quantity_for",
]
