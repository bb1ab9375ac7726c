"""What a person may have the authority do, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from msc_authority.core.overrides import KINDS, Bench, OverrideKind, PinMode, Reduce, SetLimits


@dataclass(frozen=True, slots=True)
class Halt:
    """Stop trading until a person resumes it."""


@dataclass(frozen=True, slots=True)
class Resume:
    """End the halt, and every reduction by a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Put an override in force. `lasts` None: until it is lifted, or for the default time if it loosens."""

    sets: PinMode | SetLimits | Bench | Reduce
    lasts: timedelta | None = None
    loosens: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBack:
    """Bring back the permission of an earlier version of this epoch. `lasts` as in `Place`."""

    version: int
    lasts: timedelta | None = None
    loosens: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """End an override."""

    override_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Retire:
    """Take a strategy out of service."""

    strategy_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reinstate:
    """Bring a retired strategy back, to the bench."""

    strategy_id: str


Act = Halt | Resume | Place | RollBack | Lift | Retire | Reinstate


def kind_of(act: Act) -> str:
    """Returns what kind of act it is, in a word."""
    match act:
        case Place():
            return KINDS[type(act.sets)].value
        case RollBack():
            return OverrideKind.ROLLBACK.value
        case _:
            return type(act).__name__.upper()


def target_of(act: Act) -> str:
    """Returns what it is done to, as the audit log names it."""
    match act:
        case Lift():
            return f"override {act.override_id}"
        case Retire(strategy_id=strategy_id) | Reinstate(strategy_id=strategy_id):
            return f"strategy {strategy_id}"
        case Place(sets=Bench(strategy_id=strategy_id)):
            return f"strategy {strategy_id}"
        case RollBack():
            return f"version {act.version}"
        case _:
            return "trading"


def detail_of(act: Act) -> dict[str, object]:
    """Returns everything that was asked for, as JSON: two acts with equal details ask for the same."""
    match act:
        case Place():
            return {**_setting(act.sets), **_terms(act)}
        case RollBack():
            return {"version": act.version, **_terms(act)}
        case Lift():
            return {"override_id": act.override_id}
        case Retire() | Reinstate():
            return {"strategy_id": act.strategy_id}
        case Halt() | Resume():
            return {}


def may_loosen(act: Act) -> bool:
    """Returns whether more may be allowed behind it than before it."""
    match act:
        case Place() | RollBack():
            return act.loosens
        case Halt() | Retire():
            return False
        case Resume() | Lift() | Reinstate():
            return True


def _setting(sets: PinMode | SetLimits | Bench | Reduce) -> dict[str, object]:
    match sets:
        case PinMode():
            return {"mode": sets.mode.name}
        case SetLimits():
            return dict(sets.given)
        case Bench():
            return {"strategy_id": sets.strategy_id}
        case Reduce():
            return {}


def _terms(act: Place | RollBack) -> dict[str, object]:
    lasts_s = None if act.lasts is None else act.lasts.total_seconds()
    return {"lasts_s": lasts_s, "loosens": act.loosens}
