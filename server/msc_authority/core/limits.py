"""The numbers of a policy: what a mode allows, with the reduction in force."""

from __future__ import annotations

from msc_authority.core.config import ModesConfig
from msc_authority.core.policy import Limits, RiskMode


def limits_for(mode: RiskMode, config: ModesConfig, *, risk_multiplier: float = 1.0) -> Limits:
    """Returns the limits of `mode`, its risk per trade times `risk_multiplier`."""
    allowed = config.of(mode)
    return Limits(
        max_risk_per_trade=allowed.max_risk_per_trade * risk_multiplier,
        global_min_confidence=allowed.global_min_confidence,
        max_positions=allowed.max_positions,
        max_daily_trades=allowed.max_daily_trades,
    )
