"""Every number the strategy part decides by, with its unit in its name."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import isfinite

from msc_authority.core.policy import RiskMode

_POSITIVE = (
    "evidence_half_life_trades",
    "evidence_half_life_d",
    "prior_weight_trades",
    "prior_sd_r",
    "gain_cap_r",
    "loss_cap_r",
    "drawdown_recovery_trades",
    "stale_below_trades",
)
_NOT_NEGATIVE = ("selection_penalty_fraction",)
_FRACTIONS = (
    "shadow_weight_fraction",
    "probability_to_enter_defensive",
    "probability_to_enter_normal",
    "probability_to_enter_aggressive",
    "probability_to_stay",
    "probability_to_leave_shadow",
    "probation_risk_multiplier",
    "probation_daily_trades_fraction",
)
_COUNTS = (
    "loss_sample_trades",
    "loss_sample_min_trades",
    "newcomer_below_trades",
    "shadow_trades_to_prove",
    "probation_live_trades",
    "probation_max_positions",
    "promotions_per_evaluation",
)
# From strict to lax. A line out of order would let a strict mode admit what a lax one refuses.
_PROBABILITY_LADDER = (
    "probability_to_enter_defensive",
    "probability_to_enter_normal",
    "probability_to_enter_aggressive",
    "probability_to_stay",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyConfig:
    """How evidence is weighed and who may trade.

    R is net PnL divided by the risk at entry; `_r` is in R, `_trades` in trades, `_d` in days. `loss_sample_*` and
    the two caps tame R where risk at entry is missing or misstated; README.md of this folder says how.

    Raises:
        ValueError: naming the field that is outside sense.
    """

    evidence_half_life_trades: float = 30.0
    evidence_half_life_d: float = 14.0
    shadow_weight_fraction: float = 0.5
    loss_sample_trades: int = 200
    loss_sample_min_trades: int = 5
    gain_cap_r: float = 20.0
    loss_cap_r: float = 100.0

    prior_weight_trades: float = 20.0
    prior_sd_r: float = 1.0
    lower_bound_quantile: float = 0.10
    drawdown_recovery_trades: float = 100.0
    selection_penalty_fraction: float = 1.0

    probability_to_enter_defensive: float = 0.80
    probability_to_enter_normal: float = 0.60
    probability_to_enter_aggressive: float = 0.50
    probability_to_stay: float = 0.50
    probability_to_leave_shadow: float = 0.80
    stale_below_trades: float = 1.0
    promotion_evidence_trades: float = 2.0
    newcomer_below_trades: int = 10
    shadow_trades_to_prove: int = 20
    probation_live_trades: int = 10
    promotions_per_evaluation: int = 1

    probation_risk_multiplier: float = 0.25
    probation_max_positions: int = 1
    probation_daily_trades_fraction: float = 0.10

    def __post_init__(self) -> None:
        for name in (*_POSITIVE, *_NOT_NEGATIVE, *_FRACTIONS, "lower_bound_quantile", "promotion_evidence_trades"):
            self._require(name, isfinite(getattr(self, name)), "a finite number")
        for name in _POSITIVE:
            self._require(name, getattr(self, name) > 0, "above 0")
        for name in _NOT_NEGATIVE:
            self._require(name, getattr(self, name) >= 0, "0 or above")
        for name in _FRACTIONS:
            self._require(name, 0 < getattr(self, name) <= 1, "a fraction above 0 and at most 1")
        for name in _COUNTS:
            self._require(
                name, isinstance(getattr(self, name), int) and getattr(self, name) >= 1, "a count, 1 or above"
            )
        self._check_relations()

    def probability_to_enter(self, mode: RiskMode) -> float:
        """P(mean R > 0) from which a strategy becomes ACTIVE in `mode`, as a fraction."""
        return {
            RiskMode.DEFENSIVE: self.probability_to_enter_defensive,
            RiskMode.NORMAL: self.probability_to_enter_normal,
            RiskMode.AGGRESSIVE: self.probability_to_enter_aggressive,
        }[mode]

    def _check_relations(self) -> None:
        self._require("lower_bound_quantile", 0 < self.lower_bound_quantile <= 0.5, "above 0 and at most 0.5")
        self._require(
            "loss_sample_min_trades",
            self.loss_sample_min_trades <= self.loss_sample_trades,
            "at most loss_sample_trades",
        )
        self._require(
            "promotion_evidence_trades",
            self.promotion_evidence_trades >= self.stale_below_trades,
            "at least stale_below_trades, or a promoted strategy would be stale at once",
        )
        for strict, lax in pairwise(_PROBABILITY_LADDER):
            self._require(strict, getattr(self, strict) >= getattr(self, lax), f"at least {lax}")

    def _require(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            raise ValueError(f"{name} must be {rule}, not {getattr(self, name)!r}")
