"""What was in force when: spans of history, and the share of time in each mode."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from msc_authority.core.policy import PolicyRef, RiskMode, TradingState


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeSpan:
    """One revision and since when it was in force. It lasts until the next span begins."""

    since: datetime
    ref: PolicyRef
    risk_mode: RiskMode
    trading_state: TradingState
