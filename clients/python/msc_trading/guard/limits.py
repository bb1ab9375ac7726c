"""The policy's limits, made ready for exact comparison, and never looser while nobody confirms them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final, Protocol, Self

from msc_client.policy import Policy, Ref, StrategyGrant, StrategyState, TradingState
from msc_client.tier import Tier, tighter_of
from msc_client.view import PolicyView
from msc_trading.filters import EXACT

PROBATION_RISK: Final = Decimal("0.25")
"""Share of the policy's risk per trade that a strategy on probation may use."""
PROBATION_DAILY_TRADES: Final = Decimal("0.10")
"""Share of the policy's daily trades that a strategy on probation may use."""
PROBATION_POSITIONS: Final = 1
"""Positions that a strategy on probation may hold."""


class Policies(Protocol):
    """Where the policy is read: any source of msc_client."""

    def current(self) -> PolicyView:
        """Returns the policy in force at this instant."""
        ...

    def now_ns(self) -> int:
        """Returns the instant that the methods of a view ask for."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyLimits:
    """What one allowed strategy may do. None: nothing beside the policy's own counts."""

    max_risk: Decimal
    max_positions: int | None = None
    max_daily_trades: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """One policy's limits. `max_risk` is a fraction of equity per trade, `min_confidence` a fraction."""

    policy: Policy
    trading_state: TradingState
    max_risk: Decimal
    min_confidence: float
    max_positions: int
    max_daily_trades: int
    strategies: Mapping[str, StrategyLimits]

    @classmethod
    def of(cls, policy: Policy) -> Self:
        """Returns the limits of a policy. Its fractions are taken as they are written, so that equal is equal."""
        max_risk = _exact(policy.max_risk_per_trade)
        grants = {grant.strategy_id: grant for grant in policy.strategy_grants}
        return cls(
            policy=policy,
            trading_state=policy.trading_state,
            max_risk=max_risk,
            min_confidence=policy.global_min_confidence,
            max_positions=policy.max_positions,
            max_daily_trades=policy.max_daily_trades,
            strategies=MappingProxyType(
                {
                    id_: _strategy_limits(grants.get(id_), max_risk, policy.max_daily_trades)
                    for id_ in policy.allowed_strategies
                }
            ),
        )


def _strategy_limits(grant: StrategyGrant | None, max_risk: Decimal, max_daily_trades: int) -> StrategyLimits:
    if grant is None:
        return StrategyLimits(max_risk=max_risk)
    multiplier, positions = min(_exact(grant.risk_multiplier), Decimal(1)), grant.max_positions or None
    fraction = min(_exact(grant.max_daily_trades_fraction), Decimal(1))
    if grant.state is StrategyState.PROBATION:
        multiplier, fraction = min(multiplier, PROBATION_RISK), min(fraction, PROBATION_DAILY_TRADES)
        positions = PROBATION_POSITIONS
    return StrategyLimits(
        max_risk=EXACT.multiply(max_risk, multiplier),
        max_positions=positions,
        max_daily_trades=None if fraction == 1 else int(fraction * max_daily_trades),
    )


def _exact(fraction: float) -> Decimal:
    # Sources refuse such numbers on arrival; should one come another way, it allows nothing.
    return Decimal(repr(fraction)) if math.isfinite(fraction) and fraction > 0 else Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """What the guard goes by: the view, its limits, and whether it is older than one seen before."""

    view: PolicyView
    limits: Limits
    regressed: bool


class PolicyMemory:
    """The newest policy seen. Not safe for threads by itself: the guard changes it under its lock."""

    def __init__(self) -> None:
        self._known: InForce | None = None
        self._newest: Ref | None = None

    @property
    def known(self) -> InForce | None:
        """What was taken in last; None before the first."""
        return self._known

    def recall(self, view: PolicyView) -> InForce | None:
        """Returns what is known of exactly this view, without work."""
        known = self._known
        return known if known is not None and known.view is view else None

    def is_older(self, view: PolicyView) -> bool:
        """Tells whether a newer revision than this one was seen."""
        return self._newest is not None and (view.ref is None or view.ref < self._newest)

    def take(self, view: PolicyView) -> InForce:
        """Returns what this view puts in force, and remembers it unless it is older than one seen before."""
        if self.is_older(view):
            return InForce(view=view, limits=Limits.of(view.policy), regressed=True)
        known = self._known
        policy = view.policy
        if view.tier is not Tier.FRESH and known is not None and known.view.ref is not None:
            # Nobody vouches for it: it may tighten the policy that held before, never loosen it.
            policy = tighter_of(policy, known.limits.policy)
        limits = known.limits if known is not None and known.limits.policy is policy else Limits.of(policy)
        self._known = InForce(view=view, limits=limits, regressed=False)
        self._newest = view.ref
        return self._known
