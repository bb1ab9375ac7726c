"""The policy: what every trading process may do. Frozen values, compared and named by reference."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from functools import cache, cached_property


class RiskMode(IntEnum):
    """How much risk the authority allows; a smaller number is tighter."""

    DEFENSIVE = 1
    NORMAL = 2
    AGGRESSIVE = 3


class TradingState(IntEnum):
    """Whether entries are allowed at all; a greater number is tighter."""

    ACTIVE = 1
    REDUCING = 2
    HALTED = 3


class SystemHealth(StrEnum):
    """Grade of the whole system."""

    UNKNOWN = "UNKNOWN"
    CRITICAL = "CRITICAL"
    POOR = "POOR"
    NORMAL = "NORMAL"
    GOOD = "GOOD"
    EXCELLENT = "EXCELLENT"


class StrategyState(StrEnum):
    """Where a strategy stands in its life."""

    ACTIVE = "ACTIVE"
    BENCHED = "BENCHED"
    SHADOW = "SHADOW"
    PROBATION = "PROBATION"
    RETIRED = "RETIRED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why something was decided: a stable code, a sentence with the numbers, and the numbers themselves."""

    code: str
    text: str
    metric: str = ""
    value: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True, order=True)
class PolicyRef:
    """Names one revision. Compares as (epoch, version); version 0 means that there is no policy yet."""

    epoch: int
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The five numbers of a policy. Fractions of equity, of confidence; counts."""

    max_risk_per_trade: float
    global_min_confidence: float
    max_positions: int
    max_daily_trades: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyGrant:
    """What one allowed strategy may do. `max_positions` 0 and fraction 1.0 mean no limit of its own."""

    strategy_id: str
    state: StrategyState
    risk_multiplier: float
    max_positions: int
    max_daily_trades_fraction: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyMetrics:
    """What a policy was decided from, in the commission's units: percent, fraction, percent per day. None: unknown."""

    system_drawdown: float | None
    global_winrate: float | None
    equity_slope: float | None
    system_health: SystemHealth
    trades_n: int | None
    equity_source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyContent:
    """What a policy says, before it has a version. `grants` is best first; empty means nobody."""

    risk_mode: RiskMode
    trading_state: TradingState
    limits: Limits
    grants: tuple[StrategyGrant, ...]
    metrics: PolicyMetrics
    reasons: tuple[Reason, ...]
    author: str = "evaluator"
    rollback_of: int = 0

    @property
    def allowed_strategies(self) -> tuple[str, ...]:
        """Ids that may open positions, best first."""
        return tuple(grant.strategy_id for grant in self.grants)


# Without slots: the etag is kept beside the fields, and is none of them.
@dataclass(frozen=True, kw_only=True)
class Policy:
    """One committed revision. `valid_for_s` counts from the last evaluation that confirmed it."""

    ref: PolicyRef
    created_at: datetime
    content: PolicyContent
    valid_for_s: float

    @cached_property
    def etag(self) -> str:
        """Quoted hash of the whole document; equal references have equal etags, or two writers are at work."""
        return etag_of(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """How one field changed, as text. `before` is empty when there was no policy."""

    field: str
    before: str
    after: str


def etag_of(policy: Policy) -> str:
    """Quoted hash of a policy's content and reference."""
    document = json.dumps(policy, sort_keys=True, default=_fields_or_text, allow_nan=False)
    return f'"{hashlib.sha256(document.encode()).hexdigest()[:32]}"'


def _fields_or_text(value: object) -> object:
    # `asdict` says the same of a value and all in it, and takes twice as long to.
    names = _field_names(type(value))  # type: ignore[arg-type]  # a class can be hashed
    return {name: getattr(value, name) for name in names} if names else str(value)


@cache
def _field_names(kind: type[object]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()


_EFFECTIVE = ("risk_mode", "trading_state", "limits", "grants")


def effective_part(content: PolicyContent) -> tuple[object, ...]:
    """What traders act on. Two contents with equal parts need no new revision."""
    return tuple(getattr(content, name) for name in _EFFECTIVE)


def changes_between(before: PolicyContent | None, after: PolicyContent) -> tuple[FieldChange, ...]:
    """The fields traders act on that differ, by the contract's names, in its order."""
    # Most revisions let the same strategies trade as the one before, and what is the same needs no text.
    same_grants = before is not None and before.grants == after.grants
    described = _described_limits if same_grants else _described
    old = described(before) if before is not None else {}
    return tuple(
        FieldChange(field=name, before=old.get(name, ""), after=text)
        for name, text in described(after).items()
        if old.get(name) != text
    )


def _described_limits(content: PolicyContent) -> dict[str, str]:
    return {
        "risk_mode": content.risk_mode.name,
        "trading_state": content.trading_state.name,
        **{name: str(getattr(content.limits, name)) for name in _field_names(Limits)},
    }


def _described(content: PolicyContent) -> dict[str, str]:
    return {
        **_described_limits(content),
        "allowed_strategies": ", ".join(content.allowed_strategies),
        "strategy_grants": ", ".join(_grant_text(grant) for grant in content.grants),
    }


def _grant_text(grant: StrategyGrant) -> str:
    caps = [f"positions {grant.max_positions}"] if grant.max_positions else []
    if grant.max_daily_trades_fraction < 1:
        caps.append(f"daily trades {grant.max_daily_trades_fraction:.0%}")
    return f"{grant.strategy_id}={grant.state}x{grant.risk_multiplier:g}" + (f" ({', '.join(caps)})" if caps else "")
