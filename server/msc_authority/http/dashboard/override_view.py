"""What persons have put in force: what, who, why, until when; and what an operator may choose from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from msc_authority.core.overrides import Bench, Override, PinMode, Reduce, Rollback, SetLimits, Setting
from msc_authority.core.policy import Policy, RiskMode, StrategyState, TradingState
from msc_authority.http.dashboard.facts import Facts
from msc_authority.http.dashboard.policy_view import FIELD_LABELS, FRACTIONS, Instant, instant, name_of
from msc_authority.http.dashboard.text import calm_span, day_and_time, short_percent


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideRow:
    """One override. `until` and `left` are words."""

    override_id: str
    what: str
    actor: str
    reason: str
    since: Instant
    until: Instant | None
    left: str
    loosens: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OverridesView:
    """Everything in force by a person's word. `halted` is why trading is halted; empty: it is not.

    `operable`: whoever looks may end it.
    """

    halted: str = ""
    rows: tuple[OverrideRow, ...] = ()
    operable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Something to choose, and what stands beside it."""

    value: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """What there is to choose from, by action."""

    by_action: Mapping[str, tuple[Offer, ...]] = field(default_factory=dict)


def overrides(facts: Facts) -> OverridesView:
    """Returns what persons have put in force."""
    now = facts.observation.at
    shown = (one for one in facts.overrides if one.is_in_force(now))
    return OverridesView(halted=_halted(facts), rows=tuple(_row(one, now) for one in shown))


def _halted(facts: Facts) -> str:
    policy = facts.current.head.policy
    if policy is None or policy.content.trading_state is not TradingState.HALTED:
        return ""
    because = (reason.text for reason in policy.content.reasons if reason.code == "OPERATOR_HALT")
    return next(because, "HALTED by the authority itself: the reasons are beside the risk mode.")


def _row(one: Override, now: datetime) -> OverrideRow:
    return OverrideRow(
        override_id=one.override_id,
        what=what_of(one.sets),
        actor=one.actor,
        reason=one.reason,
        since=instant(one.created_at),
        until=instant(one.expires_at) if one.expires_at else None,
        left=calm_span((one.expires_at - now).total_seconds()) if one.expires_at else "",
        loosens=one.loosens,
    )


def what_of(sets: Setting) -> str:
    """Returns what an override sets, as a heading."""
    match sets:
        case Reduce():
            return "Entries stopped (REDUCING)"
        case PinMode():
            return f"Mode pinned to {sets.mode.name}"
        case SetLimits():
            return ", ".join(f"{FIELD_LABELS[name]} {_shown(name, value)}" for name, value in sets.given.items())
        case Bench():
            return f"{sets.strategy_id} benched"
        case Rollback():
            return f"Rolled back to {name_of(sets.revision)}"


def _shown(name: str, value: float) -> str:
    return short_percent(value) if name in FRACTIONS else f"{value:,}"


def offers(facts: Facts) -> Offers:
    """Returns what an operator may choose from."""
    ranked = facts.kept.rankings
    served = tuple(_strategy(one.strategy_id, one.state) for one in ranked if one.state is not StrategyState.RETIRED)
    retired = tuple(_strategy(one.strategy_id, one.state) for one in ranked if one.state is StrategyState.RETIRED)
    versions = tuple(_version(one.policy) for one in facts.kept.revisions)
    lifted = tuple(Offer(value=one.override_id, label=f"{one.what}, by {one.actor}") for one in overrides(facts).rows)
    modes = tuple(Offer(value=mode.name, label=mode.name) for mode in RiskMode)
    return Offers(
        by_action={
            "pin_mode": modes,
            "bench": served,
            "retire": served,
            "reinstate": retired,
            "rollback": versions,
            "lift": lifted,
        }
    )


def _strategy(strategy_id: str, state: StrategyState) -> Offer:
    return Offer(value=strategy_id, label=str(state))


def _version(policy: Policy) -> Offer:
    mode, trading_state = policy.content.risk_mode.name, policy.content.trading_state
    state = mode if trading_state is TradingState.ACTIVE else f"{mode} {trading_state.name}"
    return Offer(value=str(policy.ref.version), label=f"{day_and_time(policy.created_at)} {state}")
