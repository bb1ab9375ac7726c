"""What the orchestrator lays down: one frozen value, never looser than the authority's policy in any field."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from msc_client.policy import Ref, RiskMode
from msc_client.tier import Tier


class RiskProfile(StrEnum):
    """How much risk is taken, in one word."""

    NORMAL = "NORMAL"
    REDUCED = "REDUCED"
    NO_NEW_TRADES = "NO_NEW_TRADES"


class ExitMode(StrEnum):
    """How positions are left. None of them ever stops an exit."""

    NORMAL = "NORMAL"
    """As the strategy asks."""
    PROTECT = "PROTECT"
    """At market at once: the price matters less than being out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingPolicy:
    """How to trade now. `max_risk_fraction` is of equity, 0 when no new trades are allowed; an empty
    `allowed_symbols` means none. `notes` say what was tightened, and why.
    """

    ref: Ref | None
    tier: Tier
    allow_new_trades: bool
    risk_profile: RiskProfile
    max_risk_fraction: float
    min_confidence: float
    max_positions: int
    entry_mode: RiskMode
    exit_mode: ExitMode
    allowed_symbols: tuple[str, ...]
    disallowed_symbols: tuple[str, ...]
    notes: tuple[str, ...]
