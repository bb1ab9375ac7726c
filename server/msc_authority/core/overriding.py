"""From what the controller allows to what is published: every override in force, applied in one order."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from msc_authority.core.config import ModesConfig
from msc_authority.core.effective import Effective
from msc_authority.core.limits import limits_for
from msc_authority.core.overrides import (
    Bench,
    Override,
    OverrideKind,
    PinMode,
    Reduce,
    Rollback,
    SetLimits,
    Setting,
)
from msc_authority.core.policy import (
    Limits,
    PolicyContent,
    PolicyRef,
    Reason,
    StrategyGrant,
    StrategyState,
    TradingState,
)

_ORDER = {kind: place for place, kind in enumerate(OverrideKind)}


class Overridden(NamedTuple):
    """What is published. `rollback_of` is the version whose permission was brought back last; 0: none was."""

    effective: Effective
    reasons: tuple[Reason, ...]
    rollback_of: int


def in_force(overrides: Iterable[Override], now: datetime) -> tuple[Override, ...]:
    """Returns those that count at `now`."""
    return tuple(one for one in overrides if one.is_in_force(now))


def expired(overrides: Iterable[Override], now: datetime) -> tuple[Override, ...]:
    """Returns those whose time is over at `now`."""
    return tuple(one for one in overrides if not one.is_in_force(now))


def next_expiry(overrides: Iterable[Override]) -> datetime | None:
    """Returns when the first of them ends, or None where none does by itself."""
    return min((one.expires_at for one in overrides if one.expires_at is not None), default=None)


def apply_overrides(
    effective: Effective,
    overrides: Iterable[Override],
    modes: ModesConfig,
    now: datetime,
    *,
    retired: AbstractSet[str] = frozenset(),
) -> Overridden:
    """Returns what traders may do under the overrides in force, and why.

    Those that loosen come first, then those that tighten: so nothing is looser than any of the latter says. Among
    each: rollbacks, modes, limits, benches, reductions, the oldest first. None loosens the trading state that the
    controller has decided, and none lets in a strategy that is `retired`.
    """
    ordered = sorted(
        in_force(overrides, now),
        key=lambda one: (not one.loosens, _ORDER[one.kind], one.created_at, one.override_id),
    )
    result = effective
    for one in ordered:
        result = _set(result, one.sets, modes) if one.loosens else _tightened(result, one.sets, modes)
    rollbacks = [one.sets.revision.version for one in _by_age(ordered) if isinstance(one.sets, Rollback)]
    return Overridden(
        effective=replace(
            result,
            trading_state=max(effective.trading_state, result.trading_state),
            grants=tuple(grant for grant in result.grants if grant.strategy_id not in retired),
        ),
        reasons=tuple(reason_of(one) for one in ordered),
        rollback_of=rollbacks[-1] if rollbacks else 0,
    )


def of_lineage(content: PolicyContent, overrides: Iterable[Override], epoch: int) -> PolicyContent:
    """Returns it as it is said in this epoch: a rollback that outlived a restore names no version.

    Numbers began anew with the epoch: the version that was brought back is no other one's, and no later one's.
    """
    back = [one.sets.revision for one in overrides if isinstance(one.sets, Rollback)]
    if not content.rollback_of or PolicyRef(epoch, content.rollback_of) in back:
        return content
    return replace(content, rollback_of=0)


def reason_of(override: Override) -> Reason:
    """Returns why something is as the override says: what, by whom, until when, and why."""
    until = "" if override.expires_at is None else f" until {override.expires_at:%Y-%m-%d %H:%M:%SZ}"
    text = f"{what_is_set(override.sets)} by {override.actor}{until}: {override.reason}"
    return Reason(code=f"OVERRIDE_{override.kind}", text=text)


def what_is_set(sets: Setting) -> str:
    """Returns a setting as people say it."""
    match sets:
        case Reduce():
            return "entries stopped (REDUCING)"
        case PinMode():
            return f"pinned to {sets.mode.name}"
        case SetLimits():
            return "limits set (" + ", ".join(f"{name} {value:g}" for name, value in sets.given.items()) + ")"
        case Bench():
            return f"{sets.strategy_id} benched"
        case Rollback():
            return f"rolled back to version {sets.revision.version}"


def looser_limits(sets: SetLimits, limits: Limits) -> list[str]:
    """Returns the limits that are set looser than `limits` has them, by name."""
    return [name for name, value in sets.given.items() if _is_looser(name, value, getattr(limits, name))]


def _is_looser(name: str, value: float, than: float) -> bool:
    return value < than if name == "global_min_confidence" else value > than


def _by_age(overrides: Iterable[Override]) -> list[Override]:
    return sorted(overrides, key=lambda one: (one.created_at, one.override_id))


def _set(before: Effective, sets: Setting, modes: ModesConfig) -> Effective:
    match sets:
        case Rollback():
            return replace(sets.permission, trading_state=max(before.trading_state, sets.permission.trading_state))
        case PinMode():
            return _seated(_in_mode(before, sets, modes), sets, modes)
        case SetLimits():
            return replace(before, limits=sets.within(before.limits))
        case Bench() | Reduce():
            return _tightened(before, sets, modes)


def _tightened(before: Effective, sets: Setting, modes: ModesConfig) -> Effective:
    match sets:
        case Rollback():
            return before.tightened_to(sets.permission)
        case PinMode():
            return _seated(before.tightened_to(_in_mode(before, sets, modes)), sets, modes)
        case SetLimits():
            return before.tightened_to(replace(before, limits=sets.within(before.limits)))
        case Bench():
            return replace(before, grants=tuple(one for one in before.grants if one.strategy_id != sets.strategy_id))
        case Reduce():
            return replace(before, trading_state=max(before.trading_state, TradingState.REDUCING))


def _in_mode(effective: Effective, pin: PinMode, modes: ModesConfig) -> Effective:
    return replace(effective, mode=pin.mode, limits=limits_for(pin.mode, modes))


def _seated(effective: Effective, pin: PinMode, modes: ModesConfig) -> Effective:
    # A mode has seats; proven strategies take them before those on trial.
    queue = sorted(effective.grants, key=_is_on_trial)[: modes.of(pin.mode).max_strategies]
    return replace(effective, grants=tuple(one for one in effective.grants if one in queue))


def _is_on_trial(grant: StrategyGrant) -> bool:
    return grant.state is not StrategyState.ACTIVE
