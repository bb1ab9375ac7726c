"""How far a value can be trusted, and what "tighter" means."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

from msc_client.policy import UNCOMMITTED, Policy, RiskMode, StrategyGrant, TradingState


class Tier(Enum):
    """How much the value returned by a read can be trusted."""

    FRESH = "FRESH"
    """Confirmed within the last 30 s."""
    STALE = "STALE"
    """Last known good."""
    SAFE_EXPIRED = "SAFE_EXPIRED"
    """The tighter of last known good and the safe defaults."""
    SAFE_NONE = "SAFE_NONE"
    """The safe defaults: there never was a usable value."""

    @property
    def is_safe(self) -> bool:
        """Whether the safe defaults bound the value."""
        return self in (Tier.SAFE_EXPIRED, Tier.SAFE_NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeDefaults:
    """The limits that hold when no policy can be trusted. Fractions of equity and of confidence; counts.

    `allowed_strategies` is used only while no policy was ever received: empty means nobody.

    Raises:
        ValueError: a limit is not a number of its range; the field is named.
    """

    risk_mode: RiskMode = RiskMode.DEFENSIVE
    allowed_strategies: tuple[str, ...] = ()
    max_risk_per_trade: float = 0.0030
    global_min_confidence: float = 0.70
    max_positions: int = 8
    max_daily_trades: int = 10
    trading_state: TradingState = TradingState.ACTIVE

    def __post_init__(self) -> None:
        """Refuses limits out of sense."""
        for name in ("max_risk_per_trade", "global_min_confidence"):
            value = getattr(self, name)
            if not _is_number(value) or not 0.0 <= value <= 1.0:
                raise ValueError(f"{name}: {value!r} is not a fraction between 0 and 1")
        for name in ("max_positions", "max_daily_trades"):
            value = getattr(self, name)
            # A float could be NaN, and the smaller of a limit and NaN is the limit: no bound at all.
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise ValueError(f"{name}: {value!r} is not a count from 0")
        self._check_members()
        self._check_ids()

    def _check_members(self) -> None:
        for name, kind in (("risk_mode", RiskMode), ("trading_state", TradingState)):
            if not isinstance(getattr(self, name), kind):
                raise ValueError(f"{name}: {getattr(self, name)!r} is no {kind.__name__}")

    def _check_ids(self) -> None:
        ids = self.allowed_strategies
        # A string is a sequence of ids too, each one character long.
        if not isinstance(ids, tuple) or not all(isinstance(id_, str) for id_ in ids):
            raise ValueError("allowed_strategies: give a tuple of ids")
        if not all(id_.strip() for id_ in ids) or len(set(ids)) != len(ids):
            raise ValueError("allowed_strategies: ids must be unique and not empty")

    def as_policy(self) -> Policy:
        """Returns the defaults as a policy that nobody committed."""
        return Policy(
            ref=UNCOMMITTED,
            risk_mode=self.risk_mode,
            allowed_strategies=self.allowed_strategies,
            max_risk_per_trade=self.max_risk_per_trade,
            global_min_confidence=self.global_min_confidence,
            max_positions=self.max_positions,
            max_daily_trades=self.max_daily_trades,
            trading_state=self.trading_state,
            strategy_grants=tuple(StrategyGrant(strategy_id=id_) for id_ in self.allowed_strategies),
            author="safe defaults",
        )


def tightened(policy: Policy, limits: Policy | SafeDefaults) -> Policy:
    """Returns `policy` with each limit replaced by the tighter of the two. Its allow list and reference stay."""
    return replace(
        policy,
        risk_mode=min(policy.risk_mode, limits.risk_mode),
        max_risk_per_trade=min(policy.max_risk_per_trade, limits.max_risk_per_trade),
        global_min_confidence=max(policy.global_min_confidence, limits.global_min_confidence),
        max_positions=min(policy.max_positions, limits.max_positions),
        max_daily_trades=min(policy.max_daily_trades, limits.max_daily_trades),
        trading_state=max(policy.trading_state, limits.trading_state),
    )


def tighter_of(policy: Policy, other: Policy) -> Policy:
    """Returns `policy` with nothing looser than `other`: each limit, each grant, and only strategies on both lists."""
    ids = tuple(id_ for id_ in policy.allowed_strategies if id_ in other.allowed)
    grants = (_tighter_grant(policy.grant_of(id_), other.grant_of(id_)) for id_ in ids)
    return replace(
        tightened(policy, other),
        allowed_strategies=ids,
        strategy_grants=tuple(grant for grant in grants if grant is not None),
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _tighter_grant(one: StrategyGrant | None, other: StrategyGrant | None) -> StrategyGrant | None:
    if one is None or other is None:
        return one or other
    return StrategyGrant(
        strategy_id=one.strategy_id,
        # ACTIVE only when both say so.
        state=one.state if one.state is other.state else type(one.state).PROBATION,
        risk_multiplier=min(one.risk_multiplier, other.risk_multiplier),
        max_positions=_tighter_count((one.max_positions, other.max_positions)),
        max_daily_trades_fraction=min(one.max_daily_trades_fraction, other.max_daily_trades_fraction),
    )


def _tighter_count(counts: Iterable[int]) -> int:
    # 0 means "no limit of its own", so it is the loosest count, not the tightest.
    return min((count for count in counts if count), default=0)
