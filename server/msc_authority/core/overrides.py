"""What a person has put between the controller and the traders: each with who, why, and until when."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum

from msc_authority.core import codec
from msc_authority.core.effective import Effective
from msc_authority.core.policy import Limits, PolicyRef, RiskMode

DEFAULT_LOOSENING = timedelta(hours=1)
"""How long an override that loosens lasts unless it says otherwise."""
MAX_LOOSENING = timedelta(hours=24)
MAX_LASTING = timedelta(days=3650)


class OverrideKind(StrEnum):
    """What an override sets."""

    ROLLBACK = "ROLLBACK"
    PIN_MODE = "PIN_MODE"
    SET_LIMITS = "SET_LIMITS"
    BENCH = "BENCH"
    REDUCE = "REDUCE"


@dataclass(frozen=True, slots=True)
class Reduce:
    """No entries: exits and reductions only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinMode:
    """A risk mode, with its limits and seats."""

    mode: RiskMode


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLimits:
    """Any of the four limits; None leaves one as it is. Fractions, and counts."""

    max_risk_per_trade: float | None = None
    global_min_confidence: float | None = None
    max_positions: int | None = None
    max_daily_trades: int | None = None

    def __post_init__(self) -> None:
        if not self.given:
            raise ValueError("limits: name at least one of the four")
        for name, value in self.given.items():
            _check_limit(name, value)

    @property
    def given(self) -> dict[str, float | int]:
        """The limits that are set, by name."""
        values = ((limit.name, getattr(self, limit.name)) for limit in fields(self))
        return {name: value for name, value in values if value is not None}

    def within(self, limits: Limits) -> Limits:
        """Returns `limits` with those that are set in place."""
        return Limits(
            max_risk_per_trade=_or(self.max_risk_per_trade, limits.max_risk_per_trade),
            global_min_confidence=_or(self.global_min_confidence, limits.global_min_confidence),
            max_positions=limits.max_positions if self.max_positions is None else self.max_positions,
            max_daily_trades=limits.max_daily_trades if self.max_daily_trades is None else self.max_daily_trades,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A strategy that may not open positions."""

    strategy_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """The permission of an earlier revision."""

    revision: PolicyRef
    permission: Effective


Setting = Rollback | PinMode | SetLimits | Bench | Reduce

KINDS: dict[type[Setting], OverrideKind] = {
    Rollback: OverrideKind.ROLLBACK,
    PinMode: OverrideKind.PIN_MODE,
    SetLimits: OverrideKind.SET_LIMITS,
    Bench: OverrideKind.BENCH,
    Reduce: OverrideKind.REDUCE,
}
_MAY_LOOSEN = (Rollback, PinMode, SetLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """One person's word. `expires_at` None: until it is lifted.

    One that `loosens` may go beyond what the controller allows, and always expires; any other only tightens.
    """

    override_id: str
    actor: str
    reason: str
    created_at: datetime
    expires_at: datetime | None
    sets: Setting
    loosens: bool = False

    def __post_init__(self) -> None:
        if self.expires_at is not None:
            _check_span(self.expires_at - self.created_at)
        if not self.loosens:
            return
        if not isinstance(self.sets, _MAY_LOOSEN):
            raise ValueError(f"allow_loosening: {self.kind} can only tighten")
        if self.expires_at is None or self.expires_at - self.created_at > MAX_LOOSENING:
            hours = MAX_LOOSENING / timedelta(hours=1)
            raise ValueError(f"lasts: what loosens must end within {hours:g} h")

    @property
    def kind(self) -> OverrideKind:
        """What it sets."""
        return KINDS[type(self.sets)]

    def is_in_force(self, now: datetime) -> bool:
        """Returns whether it counts at `now`."""
        return self.expires_at is None or now < self.expires_at

    def encode(self) -> dict[str, object]:
        """Returns it as a JSON-able document."""
        return {
            "actor": self.actor,
            "created_at": codec.instant_text(self.created_at),
            "expires_at": codec.instant_text(self.expires_at),
            "id": self.override_id,
            "kind": self.kind.value,
            "loosens": self.loosens,
            "reason": self.reason,
            "sets": _encoded(self.sets),
        }

    @classmethod
    def decode(cls, value: object) -> Override:
        """Returns what `encode` wrote.

        Raises:
            ValueError: not such a document.
        """
        stored = codec.Reader(value, "override")
        kind = stored.get("kind", lambda name: OverrideKind(codec.text(name)))
        return cls(
            override_id=stored.get("id", codec.text),
            actor=stored.get("actor", codec.text),
            reason=stored.get("reason", codec.text),
            created_at=stored.get("created_at", codec.instant),
            expires_at=stored.maybe("expires_at", codec.instant),
            sets=_decoded(kind, stored.inner("sets")),
            loosens=stored.get("loosens", _flag),
        )


def expiry_of(now: datetime, lasts: timedelta | None, *, loosens: bool) -> datetime | None:
    """Returns when an override placed at `now` ends; None: when it is lifted.

    Raises:
        ValueError: it would end at once, or so late that no calendar has it.
    """
    if lasts is None:
        return now + DEFAULT_LOOSENING if loosens else None
    _check_span(lasts)
    return now + lasts


def _check_span(lasts: timedelta) -> None:
    if not timedelta(0) < lasts <= MAX_LASTING:
        raise ValueError(f"lasts: must be above 0 and at most {MAX_LASTING.days} days, not {lasts}")


def _check_limit(name: str, value: float) -> None:
    whole = name.startswith("max_positions") or name.startswith("max_daily")
    kind_ok = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    high = 1_000_000 if whole else 1.0
    if not kind_ok or not math.isfinite(value) or not 0 < value <= high:
        wanted = "a whole number from 1 to 1000000" if whole else "a fraction above 0 and at most 1"
        raise ValueError(f"{name}: must be {wanted}, not {value!r}")


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else float(value)


def _encoded(sets: Setting) -> dict[str, object]:
    match sets:
        case Reduce():
            return {}
        case PinMode():
            return {"mode": sets.mode.name}
        case SetLimits():
            return dict(sets.given)
        case Bench():
            return {"strategy_id": sets.strategy_id}
        case Rollback():
            ref = sets.revision
            return {"permission": sets.permission.encode(), "revision": [ref.epoch, ref.version]}


def _decoded(kind: OverrideKind, stored: codec.Reader) -> Setting:
    match kind:
        case OverrideKind.REDUCE:
            return Reduce()
        case OverrideKind.PIN_MODE:
            return PinMode(mode=stored.get("mode", lambda name: RiskMode[codec.text(name)]))
        case OverrideKind.SET_LIMITS:
            return SetLimits(
                max_risk_per_trade=stored.maybe("max_risk_per_trade", codec.number),
                global_min_confidence=stored.maybe("global_min_confidence", codec.number),
                max_positions=stored.maybe("max_positions", codec.integer),
                max_daily_trades=stored.maybe("max_daily_trades", codec.integer),
            )
        case OverrideKind.BENCH:
            return Bench(strategy_id=stored.get("strategy_id", codec.text))
        case OverrideKind.ROLLBACK:
            return Rollback(
                revision=stored.get("revision", _revision), permission=stored.get("permission", Effective.decode)
            )


def _revision(value: object) -> PolicyRef:
    epoch, version = codec.row(value, 2)
    return PolicyRef(codec.integer(epoch), codec.integer(version))


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"true or false was expected, not {value!r}")
    return value
