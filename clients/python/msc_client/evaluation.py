"""What an evaluation is asked, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass

from msc_client.policy import Policy, Ref, RiskMode


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """Metrics to judge instead of the journal. None: left out of account. Nothing is ever written for a what-if."""

    drawdown_pct: float | None = None
    winrate_fraction: float | None = None
    trades_n: int | None = None
    slope_pct_per_day: float | None = None
    loss_streak: int | None = None
    days_without_profit: float | None = None
    expectancy: float | None = None
    volatility_ratio: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """How one field of the policy changes, as text."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationResult:
    """What an evaluation decided. `candidate` is the policy it leads to: committed, or what it would be."""

    evaluation_id: str
    committed: bool
    head: Ref | None
    candidate: Policy | None
    mode_before: RiskMode | None
    mode_after: RiskMode | None
    reasons: tuple[str, ...] = ()
    changes: tuple[FieldChange, ...] = ()
    failure: str = ""
