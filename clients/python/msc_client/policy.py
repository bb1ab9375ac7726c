"""The policy as traders act on it: frozen values, mapped once on arrival."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, IntEnum


class RiskMode(IntEnum):
    """How much risk is allowed; a smaller number is tighter."""

    DEFENSIVE = 1
    NORMAL = 2
    AGGRESSIVE = 3


class TradingState(IntEnum):
    """Whether entries are allowed at all; a greater number is tighter."""

    ACTIVE = 1
    REDUCING = 2
    HALTED = 3


class SystemHealth(Enum):
    """Grade of the whole system, for information."""

    UNKNOWN = "UNKNOWN"
    CRITICAL = "CRITICAL"
    POOR = "POOR"
    NORMAL = "NORMAL"
    GOOD = "GOOD"
    EXCELLENT = "EXCELLENT"


class StrategyState(Enum):
    """Where an allowed strategy stands."""

    ACTIVE = "ACTIVE"
    PROBATION = "PROBATION"


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """Names one revision. Compares as (epoch, version); `etag` names its content and takes no part in the order."""

    epoch: int
    version: int
    etag: str = field(default="", compare=False)

    def same_as(self, other: Ref | None) -> bool:
        """Tells whether both name the same revision with the same content."""
        return self == other and other is not None and self.etag == other.etag

    def __str__(self) -> str:
        """The reference as logs print it: (epoch, version)."""
        return f"({self.epoch}, {self.version})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why something was decided: a stable code, a sentence with the numbers, and the numbers themselves."""

    code: str
    text: str
    metric: str = ""
    value: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyGrant:
    """What one allowed strategy may do. `max_positions` 0 and fraction 1.0 mean no limit of its own."""

    strategy_id: str
    state: StrategyState = StrategyState.ACTIVE
    risk_multiplier: float = 1.0
    max_positions: int = 0
    max_daily_trades_fraction: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationMetrics:
    """What the policy was decided from: percent, fraction, percent per day. None: unknown."""

    system_drawdown: float | None = None
    global_winrate: float | None = None
    equity_slope: float | None = None
    system_health: SystemHealth = SystemHealth.UNKNOWN
    trades_n: int | None = None
    equity_source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One policy, whole. Fractions of equity and of confidence; counts. An empty allow list means nobody.

    `ref` is version 0 and `created_at` None for what no authority committed: safe defaults and what-if candidates.
    """

    ref: Ref
    risk_mode: RiskMode
    allowed_strategies: tuple[str, ...]
    max_risk_per_trade: float
    global_min_confidence: float
    max_positions: int
    max_daily_trades: int
    trading_state: TradingState
    strategy_grants: tuple[StrategyGrant, ...] = ()
    created_at: datetime | None = None
    metrics: EvaluationMetrics = EvaluationMetrics()
    reasons: tuple[Reason, ...] = ()
    author: str = ""
    rollback_of: int = 0
    valid_for_s: float = 0.0
    # A set beside the ordered list: the check of one id must not grow with the list.
    allowed: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Derives the set of allowed ids."""
        object.__setattr__(self, "allowed", frozenset(self.allowed_strategies))

    def allows(self, strategy_id: str) -> bool:
        """Tells whether this strategy may open positions. An empty id may not."""
        return strategy_id in self.allowed

    def grant_of(self, strategy_id: str) -> StrategyGrant | None:
        """Returns what this strategy may do beside the policy's own limits, or None when it is not allowed."""
        return next((grant for grant in self.strategy_grants if grant.strategy_id == strategy_id), None)

    def loaded_line(self) -> str:
        """The line that is logged when the policy is applied. Operators search for it: pinned byte for byte."""
        return (
            f"[MSC AI] Policy loaded: risk_mode={self.risk_mode.name}, "
            f"strategies={len(self.allowed_strategies)}, max_risk={self.max_risk_per_trade:.2%}"
        )


UNCOMMITTED = Ref(0, 0)
"""The reference of what no authority committed."""
